package percent_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// draw resolves and wants a draw.
func draw(t require.TestingT, r core.Rollout, req core.Request) string {
	d, err := r.Resolve(ctx, req)
	require.NoError(t, err)
	require.Equal(t, core.Conditional, d.State)
	require.NotNil(t, d.Choose)
	v, err := d.Choose(ctx)
	require.NoError(t, err)
	return v
}

func TestRandomDrawsByWeights(t *testing.T) {
	const units = 20_000
	for about, c := range map[string]struct {
		options []percent.Option
		want    weights
	}{
		"alike":   {nil, weights{"control": 25, "a": 25, "b": 25, "c": 25}},
		"weights": {[]percent.Option{weights{"control": 25, "a": 30, "b": 45}}, weights{"control": 25, "a": 30, "b": 45}},
	} {
		t.Run(about, func(t *testing.T) {
			r, counts := percent.Random(c.options...), map[string]int{}
			for range units {
				counts[draw(t, r, request("k", "a", "b", "c"))]++
			}
			for _, name := range []string{"control", "a", "b", "c"} {
				share := c.want[name] / 100
				// Six standard deviations: one run in a hundred million fails.
				require.InDelta(t, units*share, counts[name], 6*math.Sqrt(units*share*(1-share)), name)
			}
		})
	}
}

func TestRoundRobinTakesTurns(t *testing.T) {
	c := new(counter)
	r := percent.RoundRobin(c)
	for _, want := range []string{"control", "red", "blue", "control", "red", "blue", "control"} {
		require.Equal(t, want, draw(t, r, request("k", "red", "blue")))
	}
	require.Equal(t, "shop_pill_color round_robin", c.name.Load())
	_, err := r.Resolve(ctx, request("k", "red"))
	require.NoError(t, err)
	require.EqualValues(t, 7, c.Load(), "only draws are counted")
	c.Store(math.MinInt64) // a counter that somebody spoiled
	draw(t, r, request("k", "red", "blue"))
}

func TestRoundRobinByWeightsIsExact(t *testing.T) {
	const row = 10_000
	w := weights{"control": 25, "a": 30, "b": 44.99, "c": 0.01}
	r, counts := percent.RoundRobin(new(counter), w), map[string]int{}
	for i := 1; i <= row; i++ {
		counts[draw(t, r, request("k", "a", "b", "c"))]++
		for name, share := range w {
			if math.Abs(float64(i)*share/100-float64(counts[name])) > 3 {
				t.Fatalf("%d got %s after %d units", counts[name], name, i)
			}
		}
	}
	require.Equal(t, map[string]int{"control": 2500, "a": 3000, "b": 4499, "c": 1}, counts)
}

func TestRoundRobinPassesTheCountersErrorOn(t *testing.T) {
	c := &counter{err: errors.New("connection refused")}
	d, err := percent.RoundRobin(c).Resolve(ctx, request("k", "red"))
	require.NoError(t, err)
	_, err = d.Choose(ctx)
	require.ErrorIs(t, err, c.err)
}

func TestDrawingKeepsNoRequest(t *testing.T) {
	req := request("k", "red")
	d, err := percent.RoundRobin(new(counter)).Resolve(ctx, req)
	require.NoError(t, err)
	req.Variants[0] = "written-over"
	v, err := d.Choose(ctx)
	require.NoError(t, err)
	require.Equal(t, "control", v)
}

func TestNothingToDraw(t *testing.T) {
	off, red := core.Decision{State: core.Off}, core.Decision{State: core.On, Variant: "red"}
	for about, c := range map[string]struct {
		rollout core.Rollout
		req     core.Request
		want    core.Decision
	}{
		"control alone":             {percent.Random(), request("k"), off},
		"control has all":           {percent.Random(weights{"control": 100}), request("k", "red"), off},
		"a variant has all":         {percent.Random(weights{"red": 100}), request("k", "blue", "red"), red},
		"control alone, in turn":    {percent.RoundRobin(new(counter)), request("k"), off},
		"a variant has all, turned": {percent.RoundRobin(new(counter), weights{"red": 100}), request("k", "red"), red},
	} {
		t.Run(about, func(t *testing.T) {
			d, err := c.rollout.Resolve(ctx, c.req)
			require.NoError(t, err)
			require.Equal(t, c.want, d)
		})
	}
}

func TestDrawingRefusesWrongOptions(t *testing.T) {
	require.ErrorContains(t, validate(percent.Random(percent.UnselectedOutside), "red"), "an option of Behind alone")
	require.ErrorContains(t, validate(percent.RoundRobin(new(counter), percent.UnselectedOutside), "red"), "an option of Behind alone")
	require.ErrorContains(t, validate(percent.RoundRobin(nil), "red"), "RoundRobin needs a counter")
	_, err := percent.RoundRobin(nil).Resolve(ctx, request("k", "red"))
	require.ErrorContains(t, err, "RoundRobin needs a counter")
	require.NoError(t, validate(percent.Random(nil), "red"), "an option that is nil is none")
	require.NoError(t, validate(percent.RoundRobin(new(counter)), "red"))
}

func TestDrawingNeedsAStoreUnlessEveryTime(t *testing.T) {
	needs := func(r core.Rollout) bool { return r.(core.Describer).Describe().NeedsStore }
	require.True(t, needs(percent.Random()))
	require.True(t, needs(percent.RoundRobin(new(counter))))
	require.False(t, needs(percent.Random(percent.EveryTime)))
	require.False(t, needs(percent.RoundRobin(new(counter), percent.EveryTime)))
}
