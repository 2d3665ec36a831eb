package core

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A naive model of the store: the rules of the Store comment, and nothing else.
type memModel struct {
	entries map[[2]string]memModelEntry
	counts  map[[2]string]int64
	ttl     int64
}

type memModelEntry struct {
	Entry
	used int64
}

func (m *memModel) get(experiment, key string, now int64) (Entry, bool) {
	e, ok := m.entries[[2]string{experiment, key}]
	if ok && m.ttl > 0 && now-e.used > m.ttl {
		delete(m.entries, [2]string{experiment, key})
		return Entry{}, false
	}
	return e.Entry, ok
}

func (m *memModel) set(experiment, key string, e Entry, now int64) {
	m.entries[[2]string{experiment, key}] = memModelEntry{e, now}
}

func (m *memModel) load(experiment, key string, older []string, now int64) (Entry, []string, bool) {
	e, ok := m.get(experiment, key, now)
	for i := 0; i < len(older) && !ok; i++ {
		e, ok = m.get(experiment, older[i], now)
	}
	if !ok {
		return Entry{}, nil, false
	}
	m.set(experiment, key, e, now)
	var others []string
	for _, k := range older {
		if o, ok := m.get(experiment, k, now); ok && o.Variant != e.Variant && (o.Final || o.Variant != Control) {
			others = append(others, k)
		}
	}
	return e, others, true
}

func drawMemEntry(t *rapid.T) Entry {
	return Entry{
		Variant:  rapid.SampledFrom([]string{Control, "red", "blue", "Große Pille 1.0"}).Draw(t, "variant"),
		Previous: rapid.SampledFrom([]string{"", "", Control}).Draw(t, "previous"),
		Origin:   Source(rapid.IntRange(0, 13).Draw(t, "origin")),
		Final:    rapid.Bool().Draw(t, "final"),
		Under:    rapid.SampledFrom([]string{"", "k1", "01234567", "89abcdef", "key of nine", "a\x00b", "\x00"}).Draw(t, "under"),
	}
}

func TestMemoryStoreAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ttl := rapid.SampledFrom([]int64{0, 20}).Draw(t, "ttl")
		m := newMemoryStore(1000, rapid.SampledFrom([]int{1, 4}).Draw(t, "shards"), time.Duration(ttl)*time.Millisecond)
		model := memModel{entries: map[[2]string]memModelEntry{}, counts: map[[2]string]int64{}, ttl: ttl}
		var now int64
		m.now = func() time.Duration { return time.Duration(now) * time.Millisecond }
		ctx := context.Background()
		experiment := rapid.SampledFrom([]string{"a", "b", "a/b"})
		key := rapid.SampledFrom([]string{"k1", "k2", "k3", "0123456789abcdef", "01234567", "é k"})
		t.Repeat(map[string]func(*rapid.T){
			"wait": func(t *rapid.T) { now += rapid.Int64Range(0, 15).Draw(t, "ms") },
			"load": func(t *rapid.T) {
				x, k := experiment.Draw(t, "experiment"), key.Draw(t, "key")
				older := rapid.SliceOfN(key, 0, 3).Draw(t, "older")
				before := slices.Clone(older)
				e, others, ok := memLoad(t, m, x, k, older...)
				wantE, wantOthers, wantOK := model.load(x, k, older, now)
				require.Equal(t, wantE, e)
				require.Equal(t, wantOthers, others)
				require.Equal(t, wantOK, ok)
				require.Equal(t, before, older, "older is read-only")
			},
			"batch": func(t *rapid.T) {
				lookups := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Lookup {
					return Lookup{experiment.Draw(t, "experiment"), key.Draw(t, "key"), rapid.SliceOfN(key, 0, 2).Draw(t, "older")}
				}), 0, 4).Draw(t, "lookups")
				got := m.LoadBatch(ctx, lookups)
				require.Len(t, got, len(lookups))
				for i, l := range lookups {
					e, others, ok := model.load(l.Experiment, l.Key, l.Older, now)
					require.Equal(t, Loaded{Entry: e, Others: others, OK: ok}, got[i])
				}
			},
			"claim": func(t *rapid.T) {
				x, k, e := experiment.Draw(t, "experiment"), key.Draw(t, "key"), drawMemEntry(t)
				var old Entry
				stands, ok := model.get(x, k, now)
				switch rapid.IntRange(0, 2).Draw(t, "old") {
				case 1:
					old = stands
				case 2:
					old = drawMemEntry(t)
				}
				if !ok || stands == old {
					stands = e
				}
				model.set(x, k, stands, now)
				require.Equal(t, stands, memClaim(t, m, x, k, old, e))
			},
			"save": func(t *rapid.T) {
				x, k, e := experiment.Draw(t, "experiment"), key.Draw(t, "key"), drawMemEntry(t)
				require.NoError(t, m.Save(ctx, x, k, e))
				model.set(x, k, e, now)
			},
			"delete": func(t *rapid.T) {
				x, keys := experiment.Draw(t, "experiment"), rapid.SliceOfN(key, 0, 3).Draw(t, "keys")
				require.NoError(t, m.Delete(ctx, x, keys...))
				for _, k := range keys {
					delete(model.entries, [2]string{x, k})
				}
			},
			"clear": func(t *rapid.T) {
				x := experiment.Draw(t, "experiment")
				require.NoError(t, m.Clear(ctx, x))
				for k := range model.entries {
					if k[0] == x {
						delete(model.entries, k)
					}
				}
				for k := range model.counts {
					if k[0] == x {
						delete(model.counts, k)
					}
				}
			},
			"increment": func(t *rapid.T) {
				x, name, by := experiment.Draw(t, "experiment"), key.Draw(t, "name"), rapid.Int64Range(-5, 5).Draw(t, "by")
				model.counts[[2]string{x, name}] += by
				n, err := m.Increment(ctx, x, name, by)
				require.NoError(t, err)
				require.Equal(t, model.counts[[2]string{x, name}], n)
			},
			"": func(t *rapid.T) {
				require.GreaterOrEqual(t, m.Len(), len(model.entries)-model.expired(now))
				require.LessOrEqual(t, m.Len(), 18)
				require.LessOrEqual(t, len(m.kinds.ids), m.Len())
			},
		})
	})
}

func (m *memModel) expired(now int64) (n int) {
	for _, e := range m.entries {
		if m.ttl > 0 && now-e.used > m.ttl {
			n++
		}
	}
	return n
}

// A small store forgets, but what it has is right.
func TestMemoryStoreBoundedAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.IntRange(1, 40).Draw(t, "bound")
		m := newMemoryStore(bound, rapid.SampledFrom([]int{1, 2, 8}).Draw(t, "shards"), 0)
		model := map[uint64]Entry{}
		key := rapid.Uint64Range(0, 60)
		t.Repeat(map[string]func(*rapid.T){
			"load": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if e, _, ok := memLoad(t, m, "e", memKey(k)); ok {
					require.Equal(t, model[k], e)
				} else {
					delete(model, k)
				}
			},
			"claim": func(t *rapid.T) {
				k, e := key.Draw(t, "key"), drawMemEntry(t)
				stands := memClaim(t, m, "e", memKey(k), Entry{}, e)
				if known, ok := model[k]; !ok || stands != known {
					require.Equal(t, e, stands, "the one it had, or else this one")
				}
				model[k] = stands
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				require.NoError(t, m.Delete(context.Background(), "e", memKey(k)))
				delete(model, k)
			},
			"": func(t *rapid.T) { require.LessOrEqual(t, m.Len(), min(bound, len(model))) },
		})
	})
}
