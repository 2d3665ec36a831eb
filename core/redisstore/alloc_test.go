//go:build !race

package redisstore_test // the race detector allocates too

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestAllocations(t *testing.T) {
	store, _ := startStore(t, quiet())
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	store.WaitIdle()
	one, page := make([]core.Lookup, 1), make([]core.Lookup, 10)
	one[0] = core.Lookup{Experiment: experiment, Key: key(1)}
	for i := range page {
		page[i] = one[0]
	}
	for what, c := range map[string]struct {
		most float64
		op   func() error
	}{
		"hit":         {19, func() error { return store.Load(ctx, one) }},
		"page of ten": {125, func() error { return store.Load(ctx, page) }},
		"claim": {32, func() error {
			_, _, err := store.Claim(ctx, experiment, one[0].Key, core.Entry{}, resolved("red"))
			return err
		}},
		"save": {26, func() error { return store.Save(ctx, experiment, one[0].Key, resolved("red")) }},
	} {
		t.Run(what, func(t *testing.T) {
			require.LessOrEqual(t, testing.AllocsPerRun(500, func() { _ = c.op() }), c.most)
			require.NoError(t, c.op())
		})
	}
}
