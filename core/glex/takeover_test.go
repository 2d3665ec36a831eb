package glex_test

import (
	"context"
	"errors"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/stretchr/testify/require"
)

func TestTakeoverCopiesWhatIsMissing(t *testing.T) {
	ctx := context.Background()
	from, to := newLayout(), core.NewMemoryStore(nil)
	s := glex.TakeOver(from, to)
	from.put("e", "old", "blue")
	from.put("e", "older", "red")
	from.put("e", "oldest", "blue")

	e, others, ok, err := s.Load(ctx, "e", "new", []string{"old", "older", "oldest"})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, core.Entry{Variant: "blue", Final: true}, e)
	require.Equal(t, []string{"older"}, others)
	require.Len(t, from.hashes["e"], 3, "nothing moved in the old store")

	// Now it is in the new one, whatever becomes of the old one.
	require.NoError(t, from.Clear(ctx, "e"))
	e, others, ok, err = s.Load(ctx, "e", "new", nil)
	require.NoError(t, err)
	require.True(t, ok)
	require.Empty(t, others)
	require.Equal(t, "blue", e.Variant)

	// Absent in both, and claimed in the new one.
	_, _, ok, err = s.Load(ctx, "e", "another", []string{"none"})
	require.NoError(t, err)
	require.False(t, ok)
	control := core.Entry{Variant: core.Control, Origin: core.SourceResolved, Under: "12345678"}
	e, err = s.Claim(ctx, "e", "another", core.Entry{}, control)
	require.NoError(t, err)
	require.Equal(t, control, e)
	require.Empty(t, from.hashes["e"])
	require.NoError(t, s.Save(ctx, "e", "another", core.Entry{Variant: "red", Final: true}))
	e, _, _, err = s.Load(ctx, "e", "another", nil)
	require.NoError(t, err)
	require.Equal(t, "red", e.Variant)

	n, err := s.Increment(ctx, "e", "n", 2)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	require.False(t, s.VariantOnly())
	require.True(t, glex.TakeOver(to, from).VariantOnly())
}

func TestTakeoverForgetsInBoth(t *testing.T) {
	ctx := context.Background()
	from, to := newLayout(), core.NewMemoryStore(nil)
	s := glex.TakeOver(from, to)
	absent := func(key string) {
		t.Helper()
		_, _, ok, err := s.Load(ctx, "e", key, nil)
		require.NoError(t, err)
		require.False(t, ok)
	}
	for _, forget := range []func() error{
		func() error { return s.Delete(ctx, "e", "k") },
		func() error { return s.Clear(ctx, "e") },
	} {
		from.put("e", "k", "red")
		_, _, ok, err := s.Load(ctx, "e", "k", nil)
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, forget())
		absent("k")
	}
}

// A broken store fails at everything.
type broken struct{ core.Store }

var errBroken = errors.New("broken")

func (broken) Load(context.Context, string, string, []string) (core.Entry, []string, bool, error) {
	return core.Entry{}, nil, false, errBroken
}
func (broken) Claim(context.Context, string, string, core.Entry, core.Entry) (core.Entry, error) {
	return core.Entry{}, errBroken
}
func (broken) Delete(context.Context, string, ...string) error { return errBroken }
func (broken) Clear(context.Context, string) error             { return errBroken }

// absentBroken can be read and not written.
type absentBroken struct{ broken }

func (absentBroken) Load(context.Context, string, string, []string) (core.Entry, []string, bool, error) {
	return core.Entry{}, nil, false, nil
}

// An error is never taken for an absence.
func TestTakeoverFails(t *testing.T) {
	ctx := context.Background()
	full := newLayout()
	full.put("e", "k", "red")
	for _, s := range []*glex.Takeover{
		glex.TakeOver(broken{}, newLayout()), glex.TakeOver(full, broken{}), glex.TakeOver(full, absentBroken{}),
	} {
		_, _, ok, err := s.Load(ctx, "e", "k", nil)
		require.ErrorIs(t, err, errBroken)
		require.False(t, ok)
	}
	for _, s := range []*glex.Takeover{glex.TakeOver(broken{}, newLayout()), glex.TakeOver(newLayout(), broken{})} {
		require.ErrorIs(t, s.Delete(ctx, "e", "k"), errBroken)
		require.ErrorIs(t, s.Clear(ctx, "e"), errBroken)
	}
	_, err := glex.TakeOver(full, broken{}).Increment(ctx, "e", "n", 1)
	require.ErrorContains(t, err, "no counter")
}
