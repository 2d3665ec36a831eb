package memstore_test

import (
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

func TestOperationsAllocateNothing(t *testing.T) {
	for _, ttl := range []time.Duration{0, time.Hour} {
		s := memstore.New(&memstore.Options{TTL: ttl})
		taken, oldest := key(1), key(2)
		own := open
		own.Open = oldest[:8]
		save(t, s, "e", taken, red)
		save(t, s, "e", oldest, own)
		save(t, s, "e", key(3), own)
		lookup := func(keys ...string) func() {
			lookups := make([]core.Lookup, len(keys))
			for i, k := range keys {
				lookups[i] = core.Lookup{Experiment: "e", Key: k}
			}
			return func() { _ = s.Load(ctx, lookups) }
		}
		for _, c := range []struct {
			name string
			do   func()
		}{
			{"a hit", lookup(taken)},
			{"a miss", lookup("absent")},
			{"an open control under its own key", lookup(oldest)},
			{"an open control under a newer key", lookup(key(3), oldest)},
			{"a page", lookup(taken, "absent", key(3), oldest)},
			{"a lost claim", func() { _, _, _ = s.Claim(ctx, "e", taken, core.Entry{}, blue) }},
			{"a won claim", func() {
				_ = s.Delete(ctx, "e", "won")
				_, _, _ = s.Claim(ctx, "e", "won", core.Entry{}, red)
			}},
			{"an increment", func() { _, _ = s.Increment(ctx, "e", "robin", 1) }},
		} {
			t.Run(c.name, func(t *testing.T) {
				c.do()
				require.Zero(t, testing.AllocsPerRun(100, c.do))
			})
		}
	}
}

// heap returns the bytes that are in use, and of those the ones that the
// garbage collector has to look at.
func heap() (used, scanned int) {
	runtime.GC()
	runtime.GC()
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/scan/heap:bytes"}}
	metrics.Read(samples)
	return int(samples[0].Value.Uint64()), int(samples[1].Value.Uint64())
}

func TestSize(t *testing.T) {
	const n = 200_000
	emptyUsed, emptyScanned := heap()
	s := memstore.New(&memstore.Options{MaxEntries: n})
	newUsed, _ := heap()
	for i := range uint64(n) {
		k := key(i)
		_ = s.Save(ctx, "e", k, core.Entry{Variant: core.Control, Origin: core.SourceResolved, Open: k[:8]})
	}
	used, scanned := heap()
	require.Equal(t, n, s.Len(), "none goes before it is full")
	require.NoError(t, s.Clear(ctx, "e"))
	clearedUsed, _ := heap()
	t.Logf("empty %d, full %d, scanned %d, cleared %d", newUsed-emptyUsed, used-emptyUsed, scanned-emptyScanned, clearedUsed-emptyUsed)
	require.Less(t, newUsed-emptyUsed, 50_000, "bytes of an empty store")
	require.Less(t, float64(used-emptyUsed)/n, 42.0, "bytes per entry")
	require.Less(t, float64(scanned-emptyScanned)/n, 1.0, "bytes per entry for the garbage collector")
	require.Less(t, clearedUsed-emptyUsed, 50_000, "bytes after Clear")
	runtime.KeepAlive(s)
}

func TestNamesThatArePartsOfSomethingLargeAreCopied(t *testing.T) {
	before, _ := heap()
	s := memstore.New(nil)
	large := strings.Repeat("red", 1_000_000)
	save(t, s, large[:3], large[:9], core.Entry{Variant: large[:3], Previous: large[:3], Origin: core.Source(large[:3])})
	large = ""
	after, _ := heap()
	require.Less(t, after-before, 100_000)
	runtime.KeepAlive(s)
}

// BenchmarkStore reads, with a million entries and skewed access, and with the
// few that fit in a processor's cache; and writes.
func BenchmarkStore(b *testing.B) {
	const n = 1_000_000
	keys := make([]string, n)
	s, aged := memstore.New(nil), memstore.New(&memstore.Options{TTL: time.Hour})
	for i := range keys {
		keys[i] = key(uint64(i))
		save(b, s, "shop_pill_color", keys[i], red)
		save(b, aged, "shop_pill_color", keys[i], red)
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.05, 10, n-1)
	skewed := make([]string, 1<<20)
	for i := range skewed {
		// Cloned, as a key is in the processor's cache when it was just made.
		skewed[i] = strings.Clone(keys[zipf.Uint64()])
	}
	load := func(s *memstore.Store, keys []string) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				lookups := []core.Lookup{{Experiment: "shop_pill_color"}}
				for i := rand.IntN(n); pb.Next(); i++ {
					lookups[0].Key = keys[i&(len(keys)-1)]
					_ = s.Load(ctx, lookups)
				}
			})
		}
	}
	b.Run("load/hot", load(s, keys[:1024]))
	b.Run("load/zipf", load(s, skewed))
	b.Run("load/zipf/ttl", load(aged, skewed))
	b.Run("claim/full", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() { // each takes the place of another
			_, _, _ = s.Claim(ctx, "other", keys[i%n], core.Entry{}, red)
			i++
		}
	})
	b.Run("gc", func(b *testing.B) {
		keys, skewed = nil, nil
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(s)
	})
}
