package openfeature

import (
	"strconv"
	"testing"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"
)

func TestComplaintsAreFew(t *testing.T) {
	var c complaints
	start := time.Unix(1_000_000, 0)
	require.True(t, c.due("pill_color", start))
	require.False(t, c.due("pill_color", start.Add(59*time.Second)))
	require.True(t, c.due("other", start.Add(59*time.Second)))
	require.True(t, c.due("pill_color", start.Add(time.Minute)))
	for i := range 3 * maxComplaints {
		c.due(strconv.Itoa(i), start)
	}
	require.LessOrEqual(t, len(c.last), maxComplaints)
}

// A Finally that never comes, because another hook panicked, costs little.
func TestFailuresAreBounded(t *testing.T) {
	var f failures
	about := func(unit int) of.HookContext {
		return of.NewHookContext("pill_color", of.String, "", of.NewClientMetadata("shop"), of.Metadata{}, of.NewEvaluationContext(strconv.Itoa(unit), nil))
	}
	for i := range 2*maxFailures + 1 {
		f.add(about(i))
	}
	require.LessOrEqual(t, len(f.count), maxFailures)
	f.add(about(-1))
	f.add(about(-1))
	require.True(t, f.take(about(-1)))
	require.True(t, f.take(about(-1)))
	require.False(t, f.take(about(-1)))
}
