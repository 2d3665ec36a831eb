package core

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	_ Store       = (*MemoryStore)(nil)
	_ BatchLoader = (*MemoryStore)(nil)
	_ Counter     = (*MemoryStore)(nil)
)

// memKey returns a key as the core makes them.
func memKey(n uint64) string { return fmt.Sprintf("%016x%048x", n*0x9E3779B97F4A7C15, n) }

func memLoad(t require.TestingT, m *MemoryStore, experiment, key string, older ...string) (Entry, []string, bool) {
	e, others, ok, err := m.Load(context.Background(), experiment, key, older)
	require.NoError(t, err)
	return e, others, ok
}

func memClaim(t require.TestingT, m *MemoryStore, experiment, key string, old, e Entry) Entry {
	stands, err := m.Claim(context.Background(), experiment, key, old, e)
	require.NoError(t, err)
	return stands
}

var (
	memRed  = Entry{Variant: "red", Origin: SourceResolved, Final: true}
	memBlue = Entry{Variant: "blue", Origin: SourceSegmented, Final: true}
	memOpen = Entry{Variant: Control, Origin: SourceResolved, Under: "0123abcd"}
)

func TestMemoryStoreOptions(t *testing.T) {
	m := NewMemoryStore(nil)
	require.EqualValues(t, 1_000_000, m.max)
	require.EqualValues(t, 0, m.ttl)
	require.Len(t, m.shards, maxShards)

	m = NewMemoryStore(&MemoryOptions{MaxEntries: -1, TTL: -time.Second})
	require.EqualValues(t, 1_000_000, m.max)
	require.EqualValues(t, 0, m.ttl)

	m = NewMemoryStore(&MemoryOptions{MaxEntries: 4096, TTL: time.Millisecond + 1})
	require.Len(t, m.shards, 4)
	require.EqualValues(t, 2, m.ttl, "rounded up")
}

func TestMemoryStoreClaim(t *testing.T) {
	m := NewMemoryStore(nil)
	_, _, ok := memLoad(t, m, "e", "k")
	require.False(t, ok)
	require.Equal(t, memOpen, memClaim(t, m, "e", "k", Entry{}, memOpen))
	require.Equal(t, memOpen, memClaim(t, m, "e", "k", Entry{}, memRed), "what stands, stands")
	require.Equal(t, memOpen, memClaim(t, m, "e", "k", memBlue, memRed), "old is another")
	almost := memOpen
	almost.Under = "0123abce"
	require.Equal(t, memOpen, memClaim(t, m, "e", "k", almost, memRed), "old differs in one field")
	require.Equal(t, memRed, memClaim(t, m, "e", "k", memOpen, memRed))
	require.Equal(t, memBlue, memClaim(t, m, "e", "k2", memRed, memBlue), "nothing stands: old does not matter")
	require.NoError(t, m.Save(context.Background(), "e", "k", memBlue))
	e, others, ok := memLoad(t, m, "e", "k")
	require.True(t, ok)
	require.Equal(t, memBlue, e)
	require.Nil(t, others)
	require.Equal(t, 2, m.Len())
}

func TestMemoryStoreRefusesNoVariant(t *testing.T) {
	m := NewMemoryStore(nil)
	_, err := m.Claim(context.Background(), "pill", "k", Entry{}, Entry{Final: true})
	require.EqualError(t, err, "core: experiment pill: an entry without a variant can't be stored")
	require.ErrorContains(t, m.Save(context.Background(), "pill", "k", Entry{}), "pill")
	require.Equal(t, 0, m.Len())
}

func TestMemoryStoreLoadOlder(t *testing.T) {
	m := NewMemoryStore(nil)
	ctx := context.Background()
	_, others, ok := memLoad(t, m, "e", "new", "old1", "old2")
	require.False(t, ok)
	require.Nil(t, others)
	require.Equal(t, 0, m.Len())

	require.NoError(t, m.Save(ctx, "e", "old2", memRed))
	require.NoError(t, m.Save(ctx, "e", "old3", memBlue))
	require.NoError(t, m.Save(ctx, "e", "old4", memOpen))
	require.NoError(t, m.Save(ctx, "e", "old5", Entry{Variant: Control, Final: true}))
	require.NoError(t, m.Save(ctx, "e", "old6", Entry{Variant: "red", Origin: SourceForced, Final: true}))
	older := []string{"old1", "old2", "old3", "old4", "old5", "old6"}
	for range 2 { // copied, then found
		e, others, ok := memLoad(t, m, "e", "new", older...)
		require.True(t, ok)
		require.Equal(t, memRed, e, "the first of older that has one")
		require.Equal(t, []string{"old3", "old5"}, others, "another variant, open controls excepted")
	}
	e, _, ok := memLoad(t, m, "e", "new")
	require.True(t, ok, "it was copied")
	require.Equal(t, memRed, e)
	e, _, ok = memLoad(t, m, "e", "old2")
	require.True(t, ok, "the old one stays")
	require.Equal(t, memRed, e)

	e, others, _ = memLoad(t, m, "e", "fresh", "old4", "old2")
	require.Equal(t, memOpen, e, "an open control is copied too")
	require.Equal(t, []string{"old2"}, others)
}

func TestMemoryStoreDeleteAndClear(t *testing.T) {
	m := NewMemoryStore(nil)
	ctx := context.Background()
	for i := range uint64(1000) {
		memClaim(t, m, "one", memKey(i), Entry{}, memRed)
		memClaim(t, m, "two", memKey(i), Entry{}, memBlue)
	}
	n, err := m.Increment(ctx, "one", "robin", 5)
	require.NoError(t, err)
	require.EqualValues(t, 5, n)
	n, _ = m.Increment(ctx, "two", "robin", 7)
	require.EqualValues(t, 7, n)

	require.NoError(t, m.Delete(ctx, "one", memKey(3), "absent", memKey(4)))
	require.NoError(t, m.Delete(ctx, "one"))
	require.Equal(t, 1998, m.Len())
	_, _, ok := memLoad(t, m, "one", memKey(3))
	require.False(t, ok)
	_, _, ok = memLoad(t, m, "two", memKey(3))
	require.True(t, ok)

	require.NoError(t, m.Clear(ctx, "one"))
	require.Equal(t, 1000, m.Len())
	require.Len(t, m.kinds.ids, 1, "the kinds of the experiment are forgotten")
	for i := range uint64(1000) {
		_, _, ok := memLoad(t, m, "one", memKey(i))
		require.False(t, ok)
		e, _, _ := memLoad(t, m, "two", memKey(i))
		require.Equal(t, memBlue, e)
	}
	n, _ = m.Increment(ctx, "one", "robin", 1)
	require.EqualValues(t, 1, n, "counts are cleared")
	n, _ = m.Increment(ctx, "two", "robin", -1)
	require.EqualValues(t, 6, n)
	require.NoError(t, m.Clear(ctx, "two"))
	require.Equal(t, 0, m.Len())
	for i := range m.shards {
		require.Empty(t, m.shards[i].slots, "memory is given back")
	}
	require.NoError(t, m.Clear(ctx, "never seen"))
}

func TestMemoryStoreExpiry(t *testing.T) {
	m := NewMemoryStore(&MemoryOptions{TTL: 10 * time.Millisecond})
	var now time.Duration
	m.now = func() time.Duration { return now }
	memClaim(t, m, "e", "read", Entry{}, memRed)
	memClaim(t, m, "e", "claimed", Entry{}, memRed)
	memClaim(t, m, "e", "older", Entry{}, memRed)
	memClaim(t, m, "e", "idle", Entry{}, memRed)
	now += 8 * time.Millisecond
	_, _, ok := memLoad(t, m, "e", "read")
	require.True(t, ok)
	require.Equal(t, memRed, memClaim(t, m, "e", "claimed", Entry{}, memBlue))
	_, _, ok = memLoad(t, m, "e", "new", "older")
	require.True(t, ok)
	now += 8 * time.Millisecond
	for key, want := range map[string]bool{"read": true, "claimed": true, "new": true, "older": false, "idle": false} {
		_, _, ok := memLoad(t, m, "e", key)
		require.Equal(t, want, ok, key)
	}
	require.Equal(t, 3, m.Len())
	now += time.Hour
	require.Equal(t, 3, m.Len(), "nothing came upon them")
	require.Equal(t, memBlue, memClaim(t, m, "e", "read", memBlue, memBlue), "expired is absent")
	_, _, ok = memLoad(t, m, "e", "read")
	require.True(t, ok)

	// A full store drops what has expired before what is new, though it was
	// used more.
	const half = 1000
	m = newMemoryStore(2*half, 1, time.Second)
	m.now = func() time.Duration { return now }
	for range 2 {
		for i := range uint64(half) {
			memClaim(t, m, "e", memKey(i), Entry{}, memRed)
		}
	}
	now += 2 * time.Second
	for i := range uint64(2 * half) {
		memClaim(t, m, "e", memKey(half+i), Entry{}, memRed)
	}
	require.Equal(t, 2*half, m.Len())
	kept := 0
	for i := range uint64(2 * half) {
		if _, _, ok := memLoad(t, m, "e", memKey(half+i)); ok {
			kept++
		}
	}
	require.Greater(t, kept, 2*half*3/4)
}

func TestMemoryStoreHoldsItsBound(t *testing.T) {
	for _, c := range []struct{ bound, shards, n int }{{1, 1, 50}, {2, 1, 50}, {7, 1, 500}, {100, 1, 5000}, {2048, 2, 10_000}} {
		m := newMemoryStore(c.bound, c.shards, 0)
		for i := range c.n {
			key := memKey(uint64(i))
			require.Equal(t, memRed, memClaim(t, m, "e", key, Entry{}, memRed))
			require.Equal(t, min(i+1, c.bound), m.Len(), "nothing goes before it is full")
			_, _, ok := memLoad(t, m, "e", key)
			require.True(t, ok, "the newest stays, bound %d", c.bound)
		}
		used := 0
		for i := range m.shards {
			used += m.shards[i].used
		}
		require.Equal(t, c.bound, used)
	}
}

// More shards than entries: room has to come from another shard.
func TestMemoryStoreEvictsElsewhere(t *testing.T) {
	m := newMemoryStore(2, 8, 0)
	for i := range uint64(200) {
		memClaim(t, m, "e", memKey(i), Entry{}, memRed)
		_, _, ok := memLoad(t, m, "e", memKey(i))
		require.True(t, ok)
		require.Equal(t, min(int(i)+1, 2), m.Len())
	}
}

func TestMemoryStoreEvictsTheLeastRecentlyUsed(t *testing.T) {
	const bound, hot = 2000, 200
	m := newMemoryStore(bound, 4, 0)
	for i := range uint64(hot) {
		memClaim(t, m, "e", memKey(i), Entry{}, memRed)
	}
	for i := range uint64(20 * bound) { // a flood of units that never come back
		memClaim(t, m, "e", memKey(1_000_000+i), Entry{}, memBlue)
		memLoad(t, m, "e", memKey(i%hot)) // each hot one ten times while the store turns over once
	}
	require.Equal(t, bound, m.Len())
	kept := 0
	for i := range uint64(hot) {
		if _, _, ok := memLoad(t, m, "e", memKey(i)); ok {
			kept++
		}
	}
	require.GreaterOrEqual(t, kept, hot*98/100, "hot keys survive a flood")

	// Approximation: of what is left of the flood, most is from its end.
	recent, total := 0, 0
	for i := range uint64(20 * bound) {
		if _, _, ok := memLoad(t, m, "e", memKey(1_000_000+i)); ok {
			total++
			if i >= 18*bound {
				recent++
			}
		}
	}
	require.Equal(t, bound-kept, total)
	require.Greater(t, recent, total*9/10)
}

func TestMemoryStoreSkewedHits(t *testing.T) {
	// The store holds a tenth of the units. A true LRU reaches the hit rate
	// that the test computes beside it; CLOCK should come close.
	const units, bound, n = 20_000, 2048, 100_000
	m := newMemoryStore(bound, 2, 0)
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, units-1)
	last := map[uint64]int{} // naive LRU by stamps, swept in bulk
	hits, ideal := 0, 0
	for i := range n {
		u := zipf.Uint64()
		if _, _, ok := memLoad(t, m, "e", memKey(u)); ok {
			hits++
		} else {
			memClaim(t, m, "e", memKey(u), Entry{}, memRed)
		}
		if _, ok := last[u]; ok {
			ideal++
		}
		last[u] = i
		if len(last) > bound+bound/10 {
			stamps := make([]int, 0, len(last))
			for _, s := range last {
				stamps = append(stamps, s)
			}
			slices.Sort(stamps)
			cut := stamps[len(stamps)-bound]
			for k, s := range last {
				if s < cut {
					delete(last, k)
				}
			}
		}
	}
	require.Greater(t, float64(hits), 0.97*float64(ideal), "%d hits, LRU %d", hits, ideal)
}

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

func TestMemoryStoreOneWinner(t *testing.T) {
	const units, claimers = 200, 32
	m := NewMemoryStore(nil)
	var wg sync.WaitGroup
	got := make([][units]Entry, claimers)
	start := make(chan struct{})
	for c := range claimers {
		wg.Go(func() {
			<-start
			for u := range units {
				e := Entry{Variant: fmt.Sprint("v", c), Origin: SourceResolved, Final: true}
				got[c][u], _ = m.Claim(context.Background(), "e", memKey(uint64(u)), Entry{}, e)
			}
		})
	}
	close(start)
	wg.Wait()
	for u := range units {
		e, _, ok := memLoad(t, m, "e", memKey(uint64(u)))
		require.True(t, ok)
		for c := range claimers {
			require.Equal(t, e, got[c][u])
		}
	}
	require.Equal(t, units, m.Len())
}

func TestMemoryStoreCountsAreUnique(t *testing.T) {
	m := NewMemoryStore(nil)
	var wg sync.WaitGroup
	var seen [8*500 + 1]atomic.Bool
	for range 8 {
		wg.Go(func() {
			for range 500 {
				n, _ := m.Increment(context.Background(), "e", "robin", 1)
				seen[n].Store(true)
			}
		})
	}
	wg.Wait()
	for n := 1; n < len(seen); n++ {
		require.True(t, seen[n].Load(), n)
	}
}

// Everything at once on a store that is too small, for the race detector and
// for the sums to come out.
func TestMemoryStoreConcurrently(t *testing.T) {
	const bound = 64
	for _, shards := range []int{1, 2, 128} {
		m := newMemoryStore(bound, shards, 5*time.Millisecond)
		var wg sync.WaitGroup
		for g := range uint64(8) {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(g, 1))
				ctx := context.Background()
				for i := range 3000 {
					x, k := fmt.Sprint("e", r.IntN(3)), memKey(r.Uint64N(100))
					e := Entry{Variant: fmt.Sprint("v", r.IntN(20)), Final: true, Under: k[:8]}
					switch r.IntN(8) {
					case 0:
						_ = m.Save(ctx, x, k, e)
					case 1:
						_ = m.Delete(ctx, x, k)
					case 2, 3:
						if _, _, ok, _ := m.Load(ctx, x, k, []string{memKey(r.Uint64N(100))}); !ok && i%100 == 0 {
							_ = m.Clear(ctx, x)
						}
					default:
						if stands, _ := m.Claim(ctx, x, k, Entry{}, e); stands.Variant == "" || stands.Under != k[:8] && stands.Under == "" {
							t.Errorf("claim returned %+v", stands)
						}
					}
				}
			})
		}
		wg.Wait()
		used, refs := 0, int64(0)
		for i := range m.shards {
			used += m.shards[i].used
		}
		for _, id := range m.kinds.ids {
			refs += m.kinds.at(id).refs.Load()
		}
		require.Equal(t, used, m.Len())
		require.EqualValues(t, used, refs, "each entry counts in its kind")
		require.LessOrEqual(t, used, bound)
		for x := range 3 {
			require.NoError(t, m.Clear(context.Background(), fmt.Sprint("e", x)))
		}
		require.Equal(t, 0, m.Len())
		require.Empty(t, m.kinds.ids)
	}
}

func TestMemoryStoreAllocations(t *testing.T) {
	if testing.CoverMode() == "atomic" || raceEnabled {
		t.Skip("the race detector allocates")
	}
	ctx := context.Background()
	for _, ttl := range []time.Duration{0, time.Hour} {
		m := NewMemoryStore(&MemoryOptions{TTL: ttl})
		red, open := memKey(1), memKey(2)
		under := memOpen
		under.Under = open[:8]
		memClaim(t, m, "e", red, Entry{}, memRed)
		memClaim(t, m, "e", open, Entry{}, under)
		none := []string{"a", "b"}
		for name, f := range map[string]func(){
			"hit":              func() { _, _, _, _ = m.Load(ctx, "e", red, nil) },
			"open control":     func() { _, _, _, _ = m.Load(ctx, "e", open, nil) },
			"miss":             func() { _, _, _, _ = m.Load(ctx, "e", "absent", nil) },
			"hit beside older": func() { _, _, _, _ = m.Load(ctx, "e", red, none) },
			"migrated control": func() { _, _, _, _ = m.Load(ctx, "e", "new", []string{open}) },
			"lost claim":       func() { _, _ = m.Claim(ctx, "e", red, Entry{}, memBlue) },
			"won claim": func() {
				_ = m.Delete(ctx, "e", "won")
				_, _ = m.Claim(ctx, "e", "won", Entry{}, memRed)
			},
			"increment": func() { _, _ = m.Increment(ctx, "e", "robin", 1) },
		} {
			f()
			require.Zero(t, testing.AllocsPerRun(100, f), name)
		}
	}
}

func TestMemoryStoreSize(t *testing.T) {
	const n = 100_000
	m := NewMemoryStore(&MemoryOptions{MaxEntries: n})
	for i := range uint64(n) {
		_ = m.Save(context.Background(), "e", memKey(i), memRed)
	}
	require.Equal(t, n, m.Len(), "none goes before it is full")
	bytes := 0
	for i := range m.shards {
		bytes += cap(m.shards[i].slots) * 32
	}
	require.Less(t, bytes/n, 42, "bytes per entry")
	require.False(t, hasPointers(slot{}), "the garbage collector skips slots")
}

func FuzzMemoryRoundTrip(f *testing.F) {
	f.Add("pill_color", strings.Repeat("ab", 32), "red", "", uint8(SourceResolved), true, "")
	f.Add("shop_pill", strings.Repeat("0", 64), "control", "", uint8(SourceResolved), false, "00000000")
	f.Add("e", "user:ü", "Große Pille 1.0", "control", uint8(200), true, "user:\xc3")
	f.Add("", "", "x", "y", uint8(0), false, "\x00\x00nine bytes\x00")
	m := NewMemoryStore(&MemoryOptions{MaxEntries: 100_000})
	f.Fuzz(func(t *testing.T, experiment, key, variant, previous string, origin uint8, final bool, under string) {
		e := Entry{Variant: variant, Previous: previous, Origin: Source(origin), Final: final, Under: under}
		ctx := context.Background()
		if variant == "" {
			require.Error(t, m.Save(ctx, experiment, key, e))
			return
		}
		require.NoError(t, m.Save(ctx, experiment, key, e))
		got, _, ok := memLoad(t, m, experiment, key)
		require.True(t, ok)
		require.Equal(t, e, got)
		got, _, ok = memLoad(t, m, experiment, key+"+", key)
		require.True(t, ok)
		require.Equal(t, e, got)
		require.Equal(t, memRed, memClaim(t, m, experiment, key, e, memRed), "an entry equals itself")
		require.NoError(t, m.Delete(ctx, experiment, key, key+"+"))
		_, _, ok = memLoad(t, m, experiment, key)
		require.False(t, ok)
	})
}

// BenchmarkMemoryStore reads, with a million entries and skewed access, and
// with the few that fit in a processor's cache; and writes.
func BenchmarkMemoryStore(b *testing.B) {
	const n = 1_000_000
	ctx := context.Background()
	keys := make([]string, n)
	m := NewMemoryStore(nil)
	aged := NewMemoryStore(&MemoryOptions{TTL: time.Hour})
	for i := range keys {
		keys[i] = memKey(uint64(i))
		_ = m.Save(ctx, "shop_pill_color", keys[i], memRed)
		_ = aged.Save(ctx, "shop_pill_color", keys[i], memRed)
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.05, 10, n-1)
	skewed, uniform := make([]string, 1<<20), make([]string, 1<<20)
	for i := range skewed {
		// Cloned, as a key is in the processor's cache when it was just made.
		skewed[i], uniform[i] = strings.Clone(keys[zipf.Uint64()]), strings.Clone(keys[rand.IntN(n)])
	}
	load := func(m *MemoryStore, keys []string) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, _, ok, _ := m.Load(ctx, "shop_pill_color", keys[i&(len(keys)-1)], nil); !ok {
					b.Fatal("absent")
				}
				i++
			}
		}
	}
	b.Run("load/hot", load(m, keys[:1024]))
	b.Run("load/zipf", load(m, skewed))
	b.Run("load/uniform", load(m, uniform))
	b.Run("load/zipf/ttl", load(aged, skewed))
	b.Run("load/zipf/parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(n); pb.Next(); i++ {
				_, _, _, _ = m.Load(ctx, "shop_pill_color", skewed[i&(len(skewed)-1)], nil)
			}
		})
	})
	b.Run("claim/full", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() { // each takes the place of another
			_, _ = m.Claim(ctx, "other", keys[i%n], Entry{}, memRed)
			i++
		}
	})
	b.Run("gc", func(b *testing.B) {
		keys, skewed, uniform = nil, nil, nil
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(m)
	})
}
