package core

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
