package glex_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// load loads the keys of experiment e.
func load(t *testing.T, s core.Store, keys ...string) []core.Entry {
	t.Helper()
	lookups := make([]core.Lookup, len(keys))
	for i, key := range keys {
		lookups[i] = core.Lookup{Experiment: "e", Key: key}
	}
	require.NoError(t, s.Load(context.Background(), lookups))
	entries := make([]core.Entry, len(keys))
	for i, l := range lookups {
		require.NoError(t, l.Err)
		entries[i] = l.Entry
	}
	return entries
}

func TestMigrationCopiesWhatIsMissing(t *testing.T) {
	ctx := context.Background()
	from, to := newGemStore(), memstore.New(nil)
	s := glex.Migrate(from, to)
	open := core.Entry{Variant: core.Control, Origin: core.SourceResolved, Open: "12345678"}
	require.NoError(t, to.Save(ctx, "e", "moved", open))
	from.put("e", "moved", "blue")
	from.put("e", "old", "red")

	want := []core.Entry{open, {Variant: "red"}, {}}
	require.Equal(t, want, load(t, s, "moved", "old", "absent"), "what both have counts as in the new one")
	require.Len(t, from.hashes["e"], 2, "nothing moved in the old one")
	require.NoError(t, from.Clear(ctx, "e"))
	require.Equal(t, want, load(t, s, "moved", "old", "absent"), "whatever becomes of the old one")

	_, won, err := s.Claim(ctx, "e", "new", core.Entry{}, open)
	require.NoError(t, err)
	require.True(t, won)
	require.NoError(t, s.Save(ctx, "e", "old", core.Entry{Variant: "blue"}))
	require.Equal(t, []core.Entry{open, {Variant: "blue"}}, load(t, s, "new", "old"))
	require.Empty(t, from.hashes["e"], "writes go to the new one alone")

	n, err := s.Increment(ctx, "e", "n", 2)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	require.False(t, s.VariantOnly())
	require.True(t, glex.Migrate(to, from).VariantOnly())
}

func TestMigrationForgetsInBoth(t *testing.T) {
	ctx := context.Background()
	from := newGemStore()
	s := glex.Migrate(from, memstore.New(nil))
	for name, forget := range map[string]func() error{
		"Delete": func() error { return s.Delete(ctx, "e", "k") },
		"Clear":  func() error { return s.Clear(ctx, "e") },
	} {
		t.Run(name, func(t *testing.T) {
			from.put("e", "k", "red")
			require.Equal(t, []core.Entry{{Variant: "red"}}, load(t, s, "k"))
			require.NoError(t, forget())
			require.Equal(t, []core.Entry{{}}, load(t, s, "k"))
		})
	}
}

// A broken store fails at everything but, where it says so, at Load.
type broken struct {
	core.Store
	loads, reads bool // Load answers; it answers that an entry can't be read
}

var errBroken = errors.New("broken")

func (b broken) Load(_ context.Context, lookups []core.Lookup) error {
	switch {
	case b.reads:
		lookups[0].Err = errBroken
	case !b.loads:
		return errBroken
	}
	return nil
}

func (broken) Claim(context.Context, string, string, core.Entry, core.Entry) (core.Entry, bool, error) {
	return core.Entry{}, false, errBroken
}
func (broken) Delete(context.Context, string, ...string) error { return errBroken }
func (broken) Clear(context.Context, string) error             { return errBroken }

func TestMigrationNeverTakesAnErrorForAbsence(t *testing.T) {
	ctx := context.Background()
	full := newGemStore()
	full.put("e", "k", "red")
	for name, s := range map[string]*glex.Migration{
		"the old one can't be asked":  glex.Migrate(broken{}, newGemStore()),
		"the new one can't be asked":  glex.Migrate(full, broken{}),
		"the new one takes no writes": glex.Migrate(full, broken{loads: true}),
		"the old entry can't be read": glex.Migrate(broken{reads: true}, newGemStore()),
		"the new entry can't be read": glex.Migrate(full, broken{reads: true}),
	} {
		t.Run(name, func(t *testing.T) {
			lookups := []core.Lookup{{Experiment: "e", Key: "k"}}
			err := s.Load(ctx, lookups)
			require.ErrorIs(t, errors.Join(err, lookups[0].Err), errBroken)
			require.Zero(t, lookups[0].Entry)
		})
	}
	for name, s := range map[string]*glex.Migration{
		"the old one forgets nothing": glex.Migrate(broken{}, newGemStore()),
		"the new one forgets nothing": glex.Migrate(newGemStore(), broken{}),
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, s.Delete(ctx, "e", "k"), errBroken)
			require.ErrorIs(t, s.Clear(ctx, "e"), errBroken)
		})
	}
	_, err := glex.Migrate(full, broken{}).Increment(ctx, "e", "n", 1)
	require.ErrorContains(t, err, "no counter")
}
