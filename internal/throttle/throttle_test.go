package throttle

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// setClock returns a Log and the function that sets its time, in seconds.
func setClock() (*Log, func(seconds int)) {
	now := time.Unix(1_000_000, 0)
	return New(func() time.Time { return now }), func(seconds int) { now = time.Unix(1_000_000+int64(seconds), 0) }
}

func TestOneLinePerSubjectKindAndMinute(t *testing.T) {
	l, set := setClock()
	for _, step := range []struct {
		second  int
		subject string
		kind    int
		due     bool
	}{
		{0, "pill_color", 0, true},
		{0, "pill_color", 1, true},
		{59, "pill_color", 0, false},
		{59, "other", 0, true},
		{60, "pill_color", 0, true},
		{60, "other", 0, false},
		{30, "pill_color", 0, false}, // a clock that was set back
		{119, "pill_color", 0, false},
		{120, "pill_color", 0, true},
	} {
		set(step.second)
		require.Equal(t, step.due, l.Due(step.subject, step.kind), "%+v", step)
	}
}

func TestManySubjects(t *testing.T) {
	l, set := setClock()
	flood := func(prefix string, kind int) (due int) {
		for i := range 2 * maxLines {
			if l.Due(prefix+strconv.Itoa(i), kind) {
				due++
			}
		}
		require.LessOrEqual(t, len(l.last), maxLines+2, "one more for each kind")
		return due
	}
	require.Equal(t, maxLines+1, flood("first", 0), "those beyond the limit share a line")
	require.Equal(t, 1, flood("second", 1), "and of another kind another one")
	require.False(t, l.Due("first0", 0))
	set(60)
	require.Equal(t, maxLines+1, flood("third", 0), "lines that are due again take no room")
}

func TestOneOfManyCallersWrites(t *testing.T) {
	l, _ := setClock()
	var due atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				if l.Due("pill_color", 0) {
					due.Add(1)
				}
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 1, due.Load())
}
