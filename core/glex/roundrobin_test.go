package glex_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
)

// turn resolves among pills and takes the turn.
func turn(t *testing.T, counter core.Counter, d glex.Draw) (string, error) {
	t.Helper()
	decision, err := glex.RoundRobin(counter, d).Resolve(context.Background(), core.Request{Experiment: "e", Variants: pills})
	require.NoError(t, err)
	require.Equal(t, core.Conditional, decision.State)
	return decision.Choose(context.Background())
}

func TestRoundRobinTakesTurns(t *testing.T) {
	for name, c := range map[string]struct {
		draw glex.Draw
		want []string
	}{
		"among the variants":        {glex.Draw{Version: glex.V07}, []string{"red", "blue", "red", "blue", "red"}},
		"with control":              {glex.Draw{Version: glex.V07, IncludeControl: true}, []string{"control", "red", "blue", "control", "red"}},
		"in the order of the class": {glex.Draw{Version: glex.V08, Order: []string{"blue", "control", "red"}}, []string{"blue", "control", "red", "blue", "control"}},
	} {
		t.Run(name, func(t *testing.T) {
			store := newGemStore()
			for _, want := range c.want {
				got, err := turn(t, store, c.draw)
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
			require.Equal(t, map[string]map[string]string{"e_attrs": {"last_round_robin_variant": "5"}}, store.hashes, "the gem's counter")
		})
	}
}

type counterFunc func() (int64, error)

func (f counterFunc) Increment(context.Context, string, string, int64) (int64, error) { return f() }

func TestRoundRobinFaults(t *testing.T) {
	v07 := glex.Draw{Version: glex.V07}
	_, err := turn(t, counterFunc(func() (int64, error) { return 0, errBroken }), v07)
	require.ErrorIs(t, err, errBroken)
	got, err := turn(t, counterFunc(func() (int64, error) { return 0, nil }), v07)
	require.NoError(t, err)
	require.Equal(t, "blue", got, "below zero it goes on as Ruby's modulo does")

	_, err = glex.RoundRobin(nil, v07).Resolve(context.Background(), core.Request{Experiment: "e", Variants: pills})
	require.ErrorContains(t, err, "no counter")
	d, err := glex.RoundRobin(newGemStore(), v07).Resolve(context.Background(), core.Request{Experiment: "e", Variants: pills[:1]})
	require.NoError(t, err)
	require.Equal(t, core.Off, d.State, "there is nothing to choose from")

	for why, rr := range map[string]*glex.RoundRobinRollout{
		"no counter":       glex.RoundRobin(nil, v07),
		"no distribution":  glex.RoundRobin(newGemStore(), glex.Draw{Version: glex.V07, Array: []float64{50, 50}}),
		"has to name each": glex.RoundRobin(newGemStore(), glex.Draw{Version: glex.V07, Order: pills[:2]}),
	} {
		t.Run(why, func(t *testing.T) { require.ErrorContains(t, rr.Validate("e", pills), why) })
	}
	require.NoError(t, glex.RoundRobin(newGemStore(), v07).Validate("e", pills))
	require.True(t, glex.RoundRobin(newGemStore(), v07).Describe().NeedsStore)
}
