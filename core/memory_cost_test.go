package core

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
