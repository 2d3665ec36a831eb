package openfeature_test

import (
	"fmt"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// What is promised of these is in testdata/ratios.txt.

// The variables keep the compiler from dropping what is measured.
var (
	sinkDetails  of.StringEvaluationDetails
	sinkDecision core.Decision
)

func benchClient(t testing.TB) *of.Client { return serve(t, pillFlag("red", of.SplitReason)) }

// keys are such as the core makes.
func keys() []string {
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprintf("%064x", i)
	}
	return keys
}

// BenchmarkDetails is the yardstick: what an app does that asks by itself.
func BenchmarkDetails(b *testing.B) {
	client, keys := benchClient(b), keys()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		sinkDetails, _ = client.StringValueDetails(ctx, "pill_color", "", of.NewEvaluationContext(keys[i%len(keys)], nil))
	}
}

func BenchmarkResolve(b *testing.B) {
	r, keys, q := openfeature.New(benchClient(b), nil), keys(), request
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q.Key = keys[i%len(keys)]
		sinkDecision, _ = r.Resolve(ctx, q)
	}
}

// At most one allocation more than the SDK's own.
func TestAllocations(t *testing.T) {
	client := benchClient(t)
	r := openfeature.New(client, nil)
	own := testing.AllocsPerRun(1000, func() {
		sinkDetails, _ = client.StringValueDetails(ctx, "pill_color", "", of.NewEvaluationContext("k1", nil))
	})
	ours := testing.AllocsPerRun(1000, func() { sinkDecision, _ = r.Resolve(ctx, request) })
	require.LessOrEqual(t, ours, own+1)
}
