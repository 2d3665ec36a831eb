package memstore_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

func TestWhatCannotBeStoredIsAnError(t *testing.T) {
	for _, c := range []struct {
		name string
		e    core.Entry
	}{
		{"no variant", core.Entry{Origin: core.SourceResolved}},
		{"an Open of nine bytes", core.Entry{Variant: core.Control, Open: "012345678"}},
		{"an Open with a zero byte", core.Entry{Variant: core.Control, Open: "0\x00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New(nil)
			_, won, err := s.Claim(ctx, "pill", "k", core.Entry{}, c.e)
			require.ErrorContains(t, err, "memstore: experiment pill: an entry")
			require.False(t, won)
			require.ErrorContains(t, s.Save(ctx, "pill", "k", c.e), "memstore: experiment pill: an entry")
			require.Zero(t, s.Len())
		})
	}
}

// Entries of the same keys lie side by side in the tables.
func TestClearLeavesOtherExperimentsAlone(t *testing.T) {
	const n = 1000
	s := memstore.New(nil)
	for i := range uint64(n) {
		save(t, s, "one", key(i), red)
		save(t, s, "two", key(i), blue)
	}
	require.NoError(t, s.Clear(ctx, "one"))
	require.Equal(t, n, s.Len())
	for i := range uint64(n) {
		require.Zero(t, load(t, s, "one", key(i)))
		require.Equal(t, blue, load(t, s, "two", key(i)))
	}
	require.NoError(t, s.Clear(ctx, "two"))
	require.Zero(t, s.Len())
}

func TestEntriesExpireWhenTheyAreNotUsedForTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(&memstore.Options{TTL: 9*time.Millisecond + 1}) // rounded up to 10
		forever := memstore.New(&memstore.Options{TTL: -time.Second})
		save(t, forever, "e", "k", red)
		for _, k := range []string{"loaded", "claimed", "saved", "idle"} {
			save(t, s, "e", k, red)
		}
		time.Sleep(8 * time.Millisecond)
		require.Equal(t, red, load(t, s, "e", "loaded"))
		require.False(t, claim(t, s, "e", "claimed", blue))
		save(t, s, "e", "saved", blue)
		time.Sleep(2 * time.Millisecond)
		require.Equal(t, 4, s.Len())
		time.Sleep(time.Millisecond)
		require.Zero(t, load(t, s, "e", "idle"))
		require.Equal(t, 3, s.Len())
		time.Sleep(7 * time.Millisecond)
		require.Equal(t, red, load(t, s, "e", "loaded"))
		require.Equal(t, red, load(t, s, "e", "claimed"))
		require.Equal(t, blue, load(t, s, "e", "saved"))

		time.Sleep(time.Hour)
		require.Equal(t, 3, s.Len(), "nothing came upon them")
		current, won, err := s.Claim(ctx, "e", "saved", blue, red)
		require.NoError(t, err)
		require.False(t, won, "what expired is absent")
		require.Zero(t, current)
		require.True(t, claim(t, s, "e", "claimed", blue))
		require.Equal(t, blue, load(t, s, "e", "claimed"))
		require.Equal(t, red, load(t, forever, "e", "k"))
	})
}
