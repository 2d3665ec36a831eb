package core

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

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

// Seeds differ from store to store, and one store in some hundreds loses more
// than the others do; so only what shows three times is wrong.
func TestMemoryStoreEvictsTheLeastRecentlyUsed(t *testing.T) {
	const bound, hot = 2000, 200
	kept := 0
	for try := 0; try < 3 && kept < hot*95/100; try++ {
		kept = flooded(t, bound, hot)
	}
	require.GreaterOrEqual(t, kept, hot*95/100, "hot keys survive a flood")
}

// flooded returns how many of the hot keys a store keeps in a flood of others.
func flooded(t *testing.T, bound, hot uint64) (kept int) {
	t.Helper()
	m := newMemoryStore(int(bound), 4, 0)
	for i := range hot {
		memClaim(t, m, "e", memKey(i), Entry{}, memRed)
	}
	for i := range 20 * bound { // a flood of units that never come back
		memClaim(t, m, "e", memKey(1_000_000+i), Entry{}, memBlue)
		memLoad(t, m, "e", memKey(i%hot)) // each hot one ten times while the store turns over once
	}
	require.EqualValues(t, bound, m.Len())
	for i := range hot {
		if _, _, ok := memLoad(t, m, "e", memKey(i)); ok {
			kept++
		}
	}

	// Approximation: of what is left of the flood, most is from its end.
	recent, total := 0, 0
	for i := range 20 * bound {
		if _, _, ok := memLoad(t, m, "e", memKey(1_000_000+i)); ok {
			total++
			if i >= 18*bound {
				recent++
			}
		}
	}
	require.EqualValues(t, bound, kept+total)
	require.Greater(t, recent, total*9/10)
	return kept
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
