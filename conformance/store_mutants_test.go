package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// A storeMutant is a store, or a harness, that breaks one law.
type storeMutant struct {
	law, how string
	harm     func(h *StoreHarness)

	// also are laws that catch it too, always. A law needs a mutant that no
	// other law catches, or it says nothing of its own.
	also []string

	// base is what harm gets: memoryHarness unless it needs more.
	base func() StoreHarness
}

// Every law catches a mutant that no other law catches.
func TestEveryStoreLawCatchesItsMutants(t *testing.T) {
	mutants := slices.Concat(entryMutants(), claimMutants(), removalMutants(), countMutants(), togetherMutants(), sharedMutants(),
		failureMutants())
	for _, l := range StoreLaws() {
		own := slices.ContainsFunc(mutants, func(m storeMutant) bool { return m.law == l.ID && m.also == nil })
		require.True(t, own, "law %s has no mutant of its own", l.ID)
	}
	for _, m := range mutants {
		t.Run(m.law+"/"+strings.ReplaceAll(m.how, " ", "-"), func(t *testing.T) {
			if m.base == nil {
				m.base = memoryHarness
			}
			h := m.base()
			m.harm(&h)
			rec := &recorder{t: t}
			report := runStore(rec, h, StoreLaws(), options{dir: t.TempDir(), limit: time.Minute})
			var caught []string
			for _, res := range report.Laws {
				if res.Status == Failed {
					caught = append(caught, res.Law)
				}
			}
			require.ElementsMatch(t, append([]string{m.law}, m.also...), caught, rec.text())
			require.Len(t, rec.subs[m.law].errors, 1)
			t.Log(rec.subs[m.law].errors[0])
		})
	}
}

func entryMutants() []storeMutant {
	return []storeMutant{
		{law: "description", how: "opts out of what it has", harm: func(h *StoreHarness) { h.Unsupported[Counts] = "really not" }},
		{law: "description", how: "keeps names only and does not say so", harm: func(h *StoreHarness) {
			h.New = func(*testing.T) core.Store {
				return struct {
					fullStore
					core.VariantStore
				}{core.NewMemoryStore(nil), leastStore{}}
			}
		}},
		{law: "description", how: "counts and does not say so", harm: func(h *StoreHarness) {
			h.New = func(*testing.T) core.Store {
				m := core.NewMemoryStore(nil)
				return struct {
					core.Store
					core.BatchLoader
				}{m, m}
			}
		}, also: []string{"clear-counts", "clear-one", "count", "count-from-zero", "count-apart", "count-unique"}},
		{law: "absent", how: "returns control where nothing is", harm: loading(func(_ context.Context, _ *broken, l *core.Loaded, _, _ string, older []string) {
			if !l.OK && len(older) == 2 {
				l.Entry.Variant = core.Control
			}
		})},
		{law: "absent", how: "returns the older keys where nothing is", harm: loading(func(ctx context.Context, _ *broken, l *core.Loaded, _, _ string, older []string) {
			if !l.OK {
				l.Others = older
			}
		})},
		{law: "round-trip", how: "forgets what was before a ramp", harm: claiming(func(old core.Entry, e *core.Entry) {
			if e.Variant == "blue" && old != (core.Entry{}) {
				e.Previous = ""
			}
		})},
		{law: "round-trip", how: "takes manual for forced", harm: claiming(func(_ core.Entry, e *core.Entry) {
			if e.Origin == core.SourceManual {
				e.Origin = core.SourceForced
			}
		})},
		{law: "round-trip", how: "invents an origin", harm: claiming(func(_ core.Entry, e *core.Entry) {
			if e.Origin == 0 {
				e.Origin = core.SourceResolved
			}
		})},
		{law: "any-variant", how: "cuts names at 99", harm: claiming(func(_ core.Entry, e *core.Entry) {
			e.Variant = e.Variant[:min(99, len(e.Variant))]
		})},
		{law: "any-variant", how: "trims names", harm: claiming(func(_ core.Entry, e *core.Entry) { e.Variant = strings.TrimSpace(e.Variant) })},
		{law: "any-variant", how: "folds case", harm: claiming(func(_ core.Entry, e *core.Entry) { e.Variant = strings.ToLower(e.Variant) })},
		{law: "any-variant", how: "has a short dictionary", harm: breaking(func(_ *testing.T, b *broken) {
			var mu sync.Mutex
			known := map[string]map[string]bool{}
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				mu.Lock()
				defer mu.Unlock()
				if known[experiment] == nil {
					known[experiment] = map[string]bool{}
				}
				if names := known[experiment]; len(names) < 100 || names[e.Variant] {
					names[e.Variant] = true
					return b.fullStore.Claim(ctx, experiment, key, old, e)
				}
				return core.Entry{}, errors.New("too many names")
			}
		})},
		{law: "any-name", how: "folds the case of keys", harm: naming(func(experiment, key string) (string, string) {
			return experiment, strings.ToLower(key)
		})},
		{law: "any-name", how: "cuts keys at 64", harm: naming(func(experiment, key string) (string, string) {
			return experiment, key[:min(64, len(key))]
		})},
		{law: "any-name", how: "cuts experiments at 99", harm: naming(func(experiment, key string) (string, string) {
			return experiment[:min(99, len(experiment))], key
		})},
		{law: "any-name", how: "trims keys", harm: naming(func(experiment, key string) (string, string) {
			return experiment, strings.TrimSpace(key)
		})},
		{law: "any-name", how: "joins names by a slash", harm: naming(func(experiment, key string) (string, string) {
			if rest, ok := strings.CutPrefix(key, "b"); ok && strings.HasSuffix(experiment, "/a") {
				return strings.TrimSuffix(experiment, "/a"), "a/b" + rest
			}
			return experiment, key
		})},
		{law: "save", how: "keeps an open control", harm: breaking(func(_ *testing.T, b *broken) {
			b.save = func(ctx context.Context, experiment, key string, e core.Entry) error {
				if stands := b.peek(ctx, experiment, key); stands.Variant == core.Control && !stands.Final && e.Variant == core.Control {
					return nil
				}
				return b.fullStore.Save(ctx, experiment, key, e)
			}
		})},
	}
}

func naming(f func(experiment, key string) (string, string)) func(*StoreHarness) {
	return breaking(func(_ *testing.T, b *broken) { b.names = f })
}

func claimMutants() []storeMutant {
	// matching replaces what stands if old matches it, in the words of f.
	matching := func(f func(stands, old core.Entry) bool) func(*StoreHarness) {
		return breaking(func(_ *testing.T, b *broken) {
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				if stands := b.peek(ctx, experiment, key); stands != (core.Entry{}) && f(stands, old) {
					old = stands
				}
				return b.fullStore.Claim(ctx, experiment, key, old, e)
			}
		})
	}
	return []storeMutant{
		{law: "claim", how: "wants old to stand", harm: breaking(func(_ *testing.T, b *broken) {
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				if old != (core.Entry{}) && b.peek(ctx, experiment, key) == (core.Entry{}) {
					return core.Entry{}, nil
				}
				return b.fullStore.Claim(ctx, experiment, key, old, e)
			}
		})},
		{law: "claim", how: "replaces whatever old says", harm: matching(func(stands, old core.Entry) bool { return old == redEntry && stands.Variant == "blue" })},
		{law: "claim-equal", how: "compares names", harm: matching(func(stands, old core.Entry) bool { return stands.Variant == old.Variant })},
		{law: "claim-equal", how: "does not compare under", harm: matching(func(stands, old core.Entry) bool {
			old.Under = stands.Under
			return stands == old
		})},
		{law: "claim-equal", how: "does not compare previous", harm: matching(func(stands, old core.Entry) bool {
			old.Previous = stands.Previous
			return stands == old
		})},
		{law: "claim-zero", how: "takes an open control for nothing", harm: matching(func(stands, old core.Entry) bool {
			return old == (core.Entry{}) && !stands.Final
		})},
		{law: "claim-zero", how: "takes an exclusion for nothing", harm: matching(func(stands, old core.Entry) bool {
			return old == (core.Entry{}) && stands.Origin == core.SourceExcluded
		})},
		{law: "load-newest", how: "prefers a segment", harm: loading(func(ctx context.Context, b *broken, l *core.Loaded, experiment, _ string, older []string) {
			if l.OK && len(older) == 1 {
				if o := b.peek(ctx, experiment, older[0]); o.Origin == core.SourceSegmented {
					l.Entry = o
				}
			}
		})},
		{law: "load-copies", how: "does not keep the copy of an open control", harm: loading(func(ctx context.Context, b *broken, l *core.Loaded, experiment, key string, older []string) {
			if len(older) == 3 && !l.Entry.Final {
				_ = b.fullStore.Delete(context.Background(), experiment, key)
			}
		})},
		{law: "load-copies", how: "prefers the last", harm: breaking(func(_ *testing.T, b *broken) {
			b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
				if len(older) == 3 && b.peek(ctx, experiment, older[2]) == greenEntry {
					older = older[2:]
				}
				return b.inner(ctx, experiment, key, older)
			}
		})},
		{law: "keeps-older", how: "moves", harm: breaking(func(_ *testing.T, b *broken) {
			var mu sync.Mutex // moves as one step, so that no two movers lose an entry
			b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
				mu.Lock()
				defer mu.Unlock()
				was := b.peek(ctx, experiment, key)
				l := b.inner(ctx, experiment, key, older)
				if was == (core.Entry{}) && l.OK && len(older) == 1 {
					_ = b.fullStore.Delete(ctx, experiment, older[0])
				}
				return l
			}
		})},
		{law: "others", how: "names open controls", harm: loading(func(ctx context.Context, b *broken, l *core.Loaded, experiment, _ string, older []string) {
			for _, key := range older {
				if e := b.peek(ctx, experiment, key); l.OK && l.Entry.Final && e.Variant != "" && !e.Final {
					l.Others = append(l.Others, key)
				}
			}
		})},
		{law: "others", how: "names none after a copy", harm: breaking(func(_ *testing.T, b *broken) {
			b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
				was := b.peek(ctx, experiment, key)
				l := b.inner(ctx, experiment, key, older)
				if was == (core.Entry{}) {
					l.Others = nil
				}
				return l
			}
		})},
		{law: "others", how: "names those that began otherwise", harm: loading(func(ctx context.Context, b *broken, l *core.Loaded, experiment, _ string, older []string) {
			for _, key := range older {
				if e := b.peek(ctx, experiment, key); e.Variant == l.Entry.Variant && e.Origin == core.SourceManual && l.Entry.Origin != core.SourceManual {
					l.Others = append(l.Others, key)
				}
			}
		})},
		{law: "older-unchanged", how: "writes beyond the older keys", harm: loading(func(ctx context.Context, _ *broken, _ *core.Loaded, _, key string, older []string) {
			if older != nil {
				_ = append(older, key)
			}
		})},
		{law: "older-unchanged", how: "marks a key as done", harm: loading(func(ctx context.Context, _ *broken, l *core.Loaded, _, key string, older []string) {
			if i := slices.Index(older, key); i >= 0 {
				older[i] = ""
			}
		})},
	}
}

func removalMutants() []storeMutant {
	batching := func(f func(b *broken, lookups []core.Lookup, all []core.Loaded) []core.Loaded) func(*StoreHarness) {
		return breaking(func(_ *testing.T, b *broken) {
			b.batch = func(ctx context.Context, lookups []core.Lookup) []core.Loaded {
				return f(b, lookups, b.fullStore.LoadBatch(ctx, lookups))
			}
		})
	}
	return []storeMutant{
		{law: "delete", how: "deletes two at most", harm: breaking(func(_ *testing.T, b *broken) {
			b.delete = func(ctx context.Context, experiment string, keys []string) error {
				return b.fullStore.Delete(ctx, experiment, keys[:min(2, len(keys))]...)
			}
		})},
		{law: "delete", how: "deletes in another experiment too", harm: breaking(func(_ *testing.T, b *broken) {
			b.delete = func(ctx context.Context, experiment string, keys []string) error {
				return errors.Join(b.fullStore.Delete(ctx, experiment, keys...), b.fullStore.Delete(ctx, experiment+"_other", keys...))
			}
		})},
		{law: "delete-absent", how: "finds absent keys wrong", harm: breaking(func(_ *testing.T, b *broken) {
			b.delete = func(ctx context.Context, experiment string, keys []string) error {
				for _, key := range keys {
					if b.peek(ctx, experiment, key) == (core.Entry{}) {
						return errors.New("no such key")
					}
				}
				return b.fullStore.Delete(ctx, experiment, keys...)
			}
		})},
		{law: "delete-absent", how: "deletes all where no key is named", harm: breaking(func(_ *testing.T, b *broken) {
			b.delete = func(ctx context.Context, experiment string, keys []string) error {
				if keys == nil {
					return b.fullStore.Clear(ctx, experiment)
				}
				return b.fullStore.Delete(ctx, experiment, keys...)
			}
		})},
		{law: "clear", how: "leaves open controls", harm: breaking(func(_ *testing.T, b *broken) {
			b.clear = func(ctx context.Context, experiment string) error {
				left := map[string]core.Entry{}
				for u := range some {
					if e := b.peek(ctx, experiment, unitKey("unit", u)); e.Variant != "" && !e.Final {
						left[unitKey("unit", u)] = e
					}
				}
				err := b.fullStore.Clear(ctx, experiment)
				for key, e := range left {
					_ = b.fullStore.Save(ctx, experiment, key, e)
				}
				return err
			}
		})},
		{law: "clear", how: "fails where nothing is", harm: breaking(func(_ *testing.T, b *broken) {
			b.clear = func(ctx context.Context, experiment string) error {
				for u := range some {
					if b.peek(ctx, experiment, unitKey("unit", u)) != (core.Entry{}) {
						return b.fullStore.Clear(ctx, experiment)
					}
				}
				if n, _ := b.fullStore.Increment(ctx, experiment, "one", 0); n != 0 {
					return b.fullStore.Clear(ctx, experiment)
				}
				return errors.New("nothing to clear")
			}
		})},
		{law: "clear-counts", how: "leaves counts", harm: breaking(func(_ *testing.T, b *broken) {
			b.clear = func(ctx context.Context, experiment string) error {
				n, _ := b.fullStore.Increment(ctx, experiment, "two", 0)
				err := b.fullStore.Clear(ctx, experiment)
				_, _ = b.fullStore.Increment(ctx, experiment, "two", n)
				return err
			}
		})},
		{law: "clear-one", how: "clears all that begin so", harm: breaking(func(_ *testing.T, b *broken) {
			b.clear = func(ctx context.Context, experiment string) error {
				return errors.Join(b.fullStore.Clear(ctx, experiment), b.fullStore.Clear(ctx, experiment+"_a"))
			}
		})},
		{law: "clear-one", how: "takes a dot for any character", harm: breaking(func(_ *testing.T, b *broken) {
			b.clear = func(ctx context.Context, experiment string) error {
				return errors.Join(b.fullStore.Clear(ctx, experiment), b.fullStore.Clear(ctx, strings.ReplaceAll(experiment, ".", "-")))
			}
		})},
		{law: "clear-one", how: "clears all counts", harm: breaking(func(_ *testing.T, b *broken) {
			var mu sync.Mutex
			all := map[[2]string]int64{}
			b.increment = func(_ context.Context, experiment, name string, by int64) (int64, error) {
				mu.Lock()
				defer mu.Unlock()
				all[[2]string{experiment, name}] += by
				return all[[2]string{experiment, name}], nil
			}
			b.clear = func(ctx context.Context, experiment string) error {
				mu.Lock()
				defer mu.Unlock()
				clear(all)
				return b.fullStore.Clear(ctx, experiment)
			}
		})},
		{law: "batch-order", how: "answers equal lookups once", harm: batching(func(_ *broken, lookups []core.Lookup, all []core.Loaded) []core.Loaded {
			for i, l := range lookups {
				if slices.ContainsFunc(lookups[:i], func(o core.Lookup) bool { return o.Key == l.Key && o.Experiment == l.Experiment }) {
					all[i] = core.Loaded{}
				}
			}
			return all
		})},
		{law: "batch-order", how: "takes 16 at most", harm: batching(func(_ *broken, _ []core.Lookup, all []core.Loaded) []core.Loaded {
			return all[:min(16, len(all))]
		})},
		{law: "batch-order", how: "leaves out what is absent", harm: batching(func(_ *broken, lookups []core.Lookup, all []core.Loaded) []core.Loaded {
			if lookups == nil || lookups[0].Older != nil || lookups[len(lookups)-1].Older != nil {
				return all
			}
			return slices.DeleteFunc(all, func(l core.Loaded) bool { return !l.OK })
		})},
		{law: "batch-as-load", how: "does not look at older keys", harm: breaking(func(_ *testing.T, b *broken) {
			b.batch = func(ctx context.Context, lookups []core.Lookup) []core.Loaded {
				lookups = slices.Clone(lookups)
				for i := range lookups {
					lookups[i].Older = nil
				}
				return b.fullStore.LoadBatch(ctx, lookups)
			}
		})},
		{law: "batch-as-load", how: "names no others", harm: batching(func(_ *broken, _ []core.Lookup, all []core.Loaded) []core.Loaded {
			for i := range all {
				all[i].Others = nil
			}
			return all
		})},
	}
}
