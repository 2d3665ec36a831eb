package memstore_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

func TestTheBoundHolds(t *testing.T) {
	for _, c := range []struct{ bound, entries, stores int }{{1, 50, 10}, {2, 50, 10}, {7, 500, 100}, {100, 5000, 1}, {2048, 10_000, 1}} {
		t.Run(fmt.Sprintf("%d entries", c.bound), func(t *testing.T) {
			for range c.stores { // each has hashes of its own
				s := memstore.New(&memstore.Options{MaxEntries: c.bound})
				for i := range c.entries {
					k := key(uint64(i))
					won := claim(t, s, "e", k, red)
					if n := s.Len(); !won || n != min(i+1, c.bound) || load(t, s, "e", k) != red { // require is slow, and this runs often
						require.Failf(t, "the newest stays, and nothing goes before it is full", "entry %d won %v, and there are %d", i, won, n)
					}
				}
				require.Equal(t, c.bound, present(t, s, 0, uint64(c.entries)))
			}
		})
	}
}

// present returns how many of the keys first to last have an entry. A read that
// finds one counts as a use.
func present(t *testing.T, s *memstore.Store, first, last uint64) (n int) {
	t.Helper()
	for i := first; i < last; i++ {
		if load(t, s, "e", key(i)) != (core.Entry{}) {
			n++
		}
	}
	return n
}

// Hashes differ from store to store, and one store in some hundreds loses more
// than the others do; so only what shows three times is wrong.
func TestTheLeastRecentlyUsedGoFirst(t *testing.T) {
	const bound, hot, flood = 2000, 200, 20 * 2000
	kept := 0
	for try := 0; try < 3 && kept < hot*95/100; try++ {
		s := memstore.New(&memstore.Options{MaxEntries: bound})
		for i := range uint64(hot) {
			claim(t, s, "e", key(i), red)
		}
		for i := range uint64(flood) { // of units that never come back
			claim(t, s, "e", key(hot+i), blue)
			load(t, s, "e", key(i%hot)) // each hot one ten times while the store turns over once
		}
		require.Equal(t, bound, s.Len())
		kept = present(t, s, 0, hot)
		early, late := present(t, s, hot, hot+flood*9/10), present(t, s, hot+flood*9/10, hot+flood)
		require.Equal(t, bound, kept+early+late)
		require.Greater(t, late, (early+late)*9/10, "most of what is left of the flood is from its end")
	}
	require.GreaterOrEqual(t, kept, hot*95/100, "hot keys survive a flood")
}

func TestExpiredEntriesGoBeforeNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const half = 1000
		s := memstore.New(&memstore.Options{MaxEntries: 2 * half, TTL: time.Second})
		for range 2 {
			for i := range uint64(half) {
				claim(t, s, "e", key(i), red)
			}
		}
		time.Sleep(2 * time.Second)
		for i := range uint64(2 * half) {
			claim(t, s, "e", key(half+i), red)
		}
		require.Equal(t, 2*half, s.Len())
		require.Greater(t, present(t, s, half, 3*half), 2*half*3/4, "though the expired were used more")
	})
}

// The store holds a tenth of the units.
func TestSkewedAccessHitsAboutAsOftenAsWithLRU(t *testing.T) {
	const (
		units, bound, accesses = 20_000, 2048, 100_000
		lru                    = 80162 // hits that an exact LRU of this bound has in the same accesses
	)
	s := memstore.New(&memstore.Options{MaxEntries: bound})
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, units-1)
	hits := 0
	for range accesses {
		if !claim(t, s, "e", key(zipf.Uint64()), red) {
			hits++
		}
	}
	require.Greater(t, float64(hits), 0.97*lru)
}
