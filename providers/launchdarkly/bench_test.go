package launchdarkly_test

import (
	"fmt"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

// BenchmarkResolve holds the rollout against what an app would write itself: a
// context of the key, and StringVariationDetail. The context alone is shown too,
// since its share depends on the kind: one of kind "user" costs next to nothing.
func BenchmarkResolve(b *testing.B) {
	s, ctx, q := newSystem(b, ld.Config{}, split3()), b.Context(), request("pill", "")
	keys := make([]string, 1024) // as the core makes them
	for i := range keys {
		keys[i] = fmt.Sprintf("%064x", i*0x9e3779b1)
	}
	each := func(name string, run func(key string) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := run(keys[i%len(keys)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	resolve := func(r core.Rollout) func(string) error {
		return func(key string) error {
			q.Key = key
			_, err := r.Resolve(ctx, q)
			return err
		}
	}
	each("context", func(key string) error {
		c := ldcontext.NewWithKind(launchdarkly.DefaultKind, key)
		return c.Err()
	})
	each("bare", func(key string) error {
		_, _, err := s.StringVariationDetail("pill", ldcontext.NewWithKind(launchdarkly.DefaultKind, key), core.Control)
		return err
	})
	each("adapter", resolve(launchdarkly.New(s.LDClient, nil)))
	each("adapter-with-definitions", resolve(s.rollout(launchdarkly.Options{})))
}

// No more than what the SDK allocates for the context and the evaluation, but
// one for the words of a reason that names a rule.
func TestResolveAllocations(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	target := flag("target").AddContextTarget(launchdarkly.DefaultKind, 1, key)
	rule := flag("rule").AddRule(ldbuilders.NewRuleBuilder().ID("r").Variation(1).
		Clauses(ldbuilders.ClauseWithKind(launchdarkly.DefaultKind, "key", ldmodel.OperatorIn, ldvalue.String(key))))
	s := newSystem(t, ld.Config{}, split3(), target.Build(), rule.Build(), flag("off").On(false).Build())
	for name, more := range map[string]float64{"pill": 0, "target": 0, "off": 0, "rule": 1} {
		own := allocations(func() {
			_, _, err := s.StringVariationDetail(name, ldcontext.NewWithKind(launchdarkly.DefaultKind, key), core.Control)
			require.NoError(t, err)
		})
		for how, r := range map[string]core.Rollout{"alone": launchdarkly.New(s.LDClient, nil), "with definitions": s.rollout(launchdarkly.Options{})} {
			t.Run(name+" "+how, func(t *testing.T) {
				q, ctx := request(name, key), t.Context()
				require.LessOrEqual(t, allocations(func() { _, _ = r.Resolve(ctx, q) }), own+more)
			})
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
