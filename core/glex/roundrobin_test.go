package glex_test

import (
	"context"
	"errors"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/stretchr/testify/require"
)

var pills = []string{"control", "red", "blue"}

func TestRoundRobinTakesTurns(t *testing.T) {
	for _, c := range []struct {
		draw glex.Draw
		want []string
	}{
		{glex.Draw{Version: glex.V07}, []string{"red", "blue", "red", "blue", "red"}},
		{glex.Draw{Version: glex.V07, IncludeControl: true}, []string{"control", "red", "blue", "control", "red"}},
		{glex.Draw{Version: glex.V08, Order: []string{"blue", "control", "red"}}, []string{"blue", "control", "red", "blue", "control"}},
	} {
		counter := newLayout()
		var got []string
		for range c.want {
			d, err := glex.RoundRobin(counter, c.draw).Resolve(context.Background(), core.Request{Experiment: "e", Variants: pills})
			require.NoError(t, err)
			require.Equal(t, core.Conditional, d.State)
			v, err := d.Choose(context.Background())
			require.NoError(t, err)
			got = append(got, v)
		}
		require.Equal(t, c.want, got)
		require.Equal(t, map[string]map[string]int64{"e_attrs": {glex.RoundRobinCounter: 5}}, counter.counts)
	}
}

type counterFunc func() (int64, error)

func (f counterFunc) Increment(context.Context, string, string, int64) (int64, error) { return f() }

func TestRoundRobinFaults(t *testing.T) {
	ask := func(rr *glex.RoundRobinRollout) core.Decision {
		d, err := rr.Resolve(context.Background(), core.Request{Experiment: "e", Variants: pills})
		require.NoError(t, err)
		return d
	}
	broken := errors.New("broken")
	_, err := ask(glex.RoundRobin(counterFunc(func() (int64, error) { return 0, broken }), glex.Draw{Version: glex.V07})).Choose(context.Background())
	require.ErrorIs(t, err, broken)

	// A counter that somebody set below zero goes on as Ruby's modulo does.
	v, err := ask(glex.RoundRobin(counterFunc(func() (int64, error) { return 0, nil }), glex.Draw{Version: glex.V07})).Choose(context.Background())
	require.NoError(t, err)
	require.Equal(t, "blue", v)

	_, err = glex.RoundRobin(nil, glex.Draw{Version: glex.V07}).Resolve(context.Background(), core.Request{Experiment: "e", Variants: pills})
	require.ErrorContains(t, err, "no counter")
	require.ErrorContains(t, glex.RoundRobin(nil, glex.Draw{Version: glex.V07}).Validate("e", pills), "no counter")
	require.ErrorContains(t, glex.RoundRobin(newLayout(), glex.Draw{Version: glex.V07, Array: []float64{50, 50}}).Validate("e", pills), "no distribution")
	require.ErrorContains(t, glex.RoundRobin(newLayout(), glex.Draw{Version: glex.V07, Order: pills[:2]}).Validate("e", pills), "has to name each")
	require.NoError(t, glex.RoundRobin(newLayout(), glex.Draw{Version: glex.V07}).Validate("e", pills))

	d, err := glex.RoundRobin(newLayout(), glex.Draw{Version: glex.V07}).Resolve(context.Background(), core.Request{Experiment: "e", Variants: pills[:1]})
	require.NoError(t, err)
	require.Equal(t, core.Off, d.State)
	require.True(t, glex.RoundRobin(newLayout(), glex.Draw{Version: glex.V07}).Describe().NeedsStore)
}
