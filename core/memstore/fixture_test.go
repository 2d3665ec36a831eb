package memstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

var (
	ctx = context.Background()

	red  = core.Entry{Variant: "red", Origin: core.SourceResolved}
	blue = core.Entry{Variant: "blue", Origin: core.SourceSegmented}
	open = core.Entry{Variant: core.Control, Origin: core.SourceResolved, Open: "0123abcd"}
)

// key returns a key as the core makes them.
func key(n uint64) string { return fmt.Sprintf("%016x%048x", n*0x9E3779B97F4A7C15, n) }

// load returns the entry under a key, the zero entry for none.
func load(t require.TestingT, s *memstore.Store, experiment, key string) core.Entry {
	lookups := []core.Lookup{{Experiment: experiment, Key: key}}
	if err := s.Load(ctx, lookups); err != nil || lookups[0].Err != nil { // require is slow, and this runs often
		require.NoError(t, errors.Join(err, lookups[0].Err))
	}
	return lookups[0].Entry
}

// claim stores e where nothing is, or else returns false.
func claim(t require.TestingT, s *memstore.Store, experiment, key string, e core.Entry) bool {
	_, won, err := s.Claim(ctx, experiment, key, core.Entry{}, e)
	if err != nil {
		require.NoError(t, err)
	}
	return won
}

func save(t require.TestingT, s *memstore.Store, experiment, key string, e core.Entry) {
	require.NoError(t, s.Save(ctx, experiment, key, e))
}
