package memstore_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// Everything at once on a store that is too small, for the race detector.
func TestConcurrentUseKeepsTheBoundAndTheEntries(t *testing.T) {
	const bound = 2048
	s := memstore.New(&memstore.Options{MaxEntries: bound, TTL: 5 * time.Millisecond})
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(g, 1))
			for i := range 6000 {
				experiment, k := fmt.Sprint("e", r.IntN(3)), key(r.Uint64N(bound))
				e := core.Entry{Variant: fmt.Sprint("v", r.IntN(20)), Open: k[:8]}
				current := e
				switch r.IntN(8) {
				case 0:
					_ = s.Save(ctx, experiment, k, e)
				case 1:
					_ = s.Delete(ctx, experiment, k)
				case 2, 3:
					current = load(t, s, experiment, k)
				default:
					current, _, _ = s.Claim(ctx, experiment, k, core.Entry{}, e)
				}
				if current != (core.Entry{}) && current.Open != k[:8] {
					t.Errorf("the entry of %s is %+v", k, current)
				}
				if i%1000 == 0 {
					_ = s.Clear(ctx, experiment)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, s.Len(), bound)
	for i := range 3 {
		require.NoError(t, s.Clear(ctx, fmt.Sprint("e", i)))
	}
	require.Zero(t, s.Len(), "the count of entries came out right")
}
