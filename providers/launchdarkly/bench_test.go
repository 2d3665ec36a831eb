package launchdarkly

import (
	"fmt"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// hashed returns keys as the core makes them.
func hashed(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%064x", i*0x9e3779b1)
	}
	return keys
}

// BenchmarkResolve holds the rollout against what an app would write itself: a
// context of the key, and StringVariationDetail. The context alone is shown too,
// since its share depends on the kind: one of kind "user" costs next to nothing.
func BenchmarkResolve(b *testing.B) {
	client, defs, _ := flagsOf(b, split3().Build())
	keys, variants, ctx := hashed(1024), []string{core.Control, "red", "blue"}, b.Context()
	each := func(name string, run func(key string)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				run(keys[i%len(keys)])
			}
		})
	}
	resolve := func(r *Rollout) func(string) {
		return func(key string) {
			d, err := r.Resolve(ctx, core.Request{Experiment: "pill", Key: key, Variants: variants})
			if err != nil || d.Variant == "" {
				b.Fatal(d, err)
			}
		}
	}
	each("context", func(key string) {
		if c := ldcontext.NewWithKind(DefaultKind, key); c.Err() != nil {
			b.Fatal(c.Err())
		}
	})
	each("bare", func(key string) {
		v, _, err := client.StringVariationDetail("pill", ldcontext.NewWithKind(DefaultKind, key), core.Control)
		if err != nil || v == "" {
			b.Fatal(v, err)
		}
	})
	each("adapter", resolve(New(client, nil)))
	each("adapter-with-definitions", resolve(New(client, &Options{Definitions: defs})))
}

// TestResolveAllocations: no more than what the SDK allocates for the context
// and the evaluation, but one for the words of a reason that names a rule.
func TestResolveAllocations(t *testing.T) {
	key := hashed(1)[0]
	target := flag("target").AddContextTarget(DefaultKind, 1, key)
	rule := flag("rule").AddRule(ldbuilders.NewRuleBuilder().ID("r").Variation(1).
		Clauses(ldbuilders.ClauseWithKind(DefaultKind, "key", ldmodel.OperatorIn, ldvalue.String(key))))
	client, defs, _ := flagsOf(t, split3().Build(), target.Build(), rule.Build(), flag("off").On(false).Build())
	ctx := t.Context()
	for name, more := range map[string]float64{"pill": 0, "target": 0, "off": 0, "rule": 1} {
		own := allocations(func() {
			_, _, err := client.StringVariationDetail(name, ldcontext.NewWithKind(DefaultKind, key), core.Control)
			require.NoError(t, err)
		})
		for how, o := range map[string]*Options{"alone": nil, "with definitions": {Definitions: defs}} {
			r, q := New(client, o), request(name, key)
			ours := allocations(func() {
				_, err := r.Resolve(ctx, q)
				require.NoError(t, err)
			})
			require.LessOrEqual(t, ours, own+more, "%s %s", name, how)
		}
	}
}

// allocations returns how many f makes. The race detector has pools forget now
// and then, which adds some, so it is the fewest of several runs.
func allocations(f func()) float64 {
	fewest := testing.AllocsPerRun(100, f)
	for range 9 {
		fewest = min(fewest, testing.AllocsPerRun(20, f))
	}
	return fewest
}
