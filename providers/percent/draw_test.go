package percent

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// counter counts under one name, whatever that is.
type counter struct {
	atomic.Int64
	err  error
	name atomic.Value // the last one, and its experiment
}

func (c *counter) Increment(_ context.Context, experiment, name string, by int64) (int64, error) {
	c.name.Store(experiment + " " + name)
	return c.Add(by), c.err
}

// drawn resolves and wants a draw.
func drawn(t require.TestingT, r core.Rollout, req core.Request) string {
	d, err := r.Resolve(context.Background(), req)
	require.NoError(t, err)
	require.Equal(t, core.Conditional, d.State)
	require.NotNil(t, d.Choose)
	v, err := d.Choose(context.Background())
	require.NoError(t, err)
	return v
}

func seeded(opts ...Option) *Drawn {
	r := Random(opts...)
	r.random = rand.New(rand.NewPCG(1, 2)).Uint64
	return r
}

func TestRandomDrawsAlike(t *testing.T) {
	const units = 20_000
	r, counts := seeded(), map[string]int{}
	for range units {
		counts[drawn(t, r, request("k", "a", "b", "c"))]++
	}
	for _, name := range []string{"control", "a", "b", "c"} {
		requireShare(t, counts[name], units, 0.25)
	}
}

func TestRandomDrawsByWeights(t *testing.T) {
	const units = 20_000
	w := Weights{"control": 25, "a": 30, "b": 45}
	r, counts := seeded(w), map[string]int{}
	for range units {
		counts[drawn(t, r, request("k", "a", "b", "c"))]++
	}
	for _, name := range []string{"control", "a", "b", "c"} {
		requireShare(t, counts[name], units, w[name]/100)
	}
}

func TestRandomIsRandom(t *testing.T) {
	var one, other []string
	for range 100 {
		one = append(one, drawn(t, Random(), request("k", "a", "b", "c")))
		other = append(other, drawn(t, Random(), request("k", "a", "b", "c")))
	}
	require.NotEqual(t, one, other)
}

func TestRoundRobinTakesTurns(t *testing.T) {
	c := new(counter)
	r := RoundRobin(c)
	for _, want := range []string{"control", "red", "blue", "control", "red", "blue", "control"} {
		require.Equal(t, want, drawn(t, r, request("k", "red", "blue")))
	}
	require.Equal(t, "shop_pill_color round_robin", c.name.Load())
	c.Store(math.MinInt64) // a counter that somebody spoiled
	drawn(t, r, request("k", "red", "blue"))
}

func TestRoundRobinCountsOnlyDraws(t *testing.T) {
	c := new(counter)
	for range 3 {
		_, err := RoundRobin(c).Resolve(context.Background(), request("k", "red"))
		require.NoError(t, err)
	}
	require.Zero(t, c.Load())
}

func TestRoundRobinByWeightsIsExact(t *testing.T) {
	w := Weights{"control": 25, "a": 30, "b": 44.99, "c": 0.01}
	r, counts := RoundRobin(new(counter), w), map[string]int{}
	for i := 1; i <= whole; i++ {
		counts[drawn(t, r, request("k", "a", "b", "c"))]++
		for name, percent := range w {
			require.InDelta(t, float64(i)*percent/100, counts[name], 3, "%s after %d units", name, i)
		}
	}
	require.Equal(t, map[string]int{"control": 2500, "a": 3000, "b": 4499, "c": 1}, counts)
}

func TestRoundRobinPassesTheCountersErrorOn(t *testing.T) {
	c := &counter{err: errors.New("connection refused")}
	d, err := RoundRobin(c).Resolve(context.Background(), request("k", "red"))
	require.NoError(t, err)
	_, err = d.Choose(context.Background())
	require.ErrorIs(t, err, c.err)
}

func TestDrawingKeepsNoRequest(t *testing.T) {
	req := request("k", "red")
	d, err := RoundRobin(new(counter)).Resolve(context.Background(), req)
	require.NoError(t, err)
	req.Variants[0] = "written-over"
	v, err := d.Choose(context.Background())
	require.NoError(t, err)
	require.Equal(t, "control", v)
}

func TestNothingToDraw(t *testing.T) {
	for _, test := range []struct {
		rollout *Drawn
		req     core.Request
		want    core.Decision
	}{
		{Random(), request("k"), core.Decision{State: core.Off}},
		{Random(Weights{"control": 100}), request("k", "red"), core.Decision{State: core.Off}},
		{Random(Weights{"red": 100}), request("k", "blue", "red"), core.Decision{State: core.On, Variant: "red"}},
		{RoundRobin(new(counter)), request("k"), core.Decision{State: core.Off}},
		{RoundRobin(new(counter), Weights{"red": 100}), request("k", "red"), core.Decision{State: core.On, Variant: "red"}},
	} {
		d, err := test.rollout.Resolve(context.Background(), test.req)
		require.NoError(t, err)
		require.Equal(t, test.want, d)
	}
}

func TestDrawingRefusesWrongOptions(t *testing.T) {
	variants := []string{"control", "red"}
	require.ErrorContains(t, Random(UnselectedOutside).Validate("e", variants), "an option of Behind alone")
	require.ErrorContains(t, RoundRobin(new(counter), UnselectedOutside).Validate("e", variants), "an option of Behind alone")
	require.ErrorContains(t, RoundRobin(nil).Validate("e", variants), "RoundRobin needs a counter")
	_, err := RoundRobin(nil).Resolve(context.Background(), request("k", "red"))
	require.ErrorContains(t, err, "RoundRobin needs a counter")
	require.NoError(t, Random(nil).Validate("e", variants), "an option that is nil is none")
	require.NoError(t, RoundRobin(new(counter)).Validate("e", variants))
}

func TestDrawingNeedsAStoreUnlessEveryTime(t *testing.T) {
	client, err := core.New(core.Config{KeySecret: make([]byte, 32)})
	require.NoError(t, err)
	define := func(name string, r core.Rollout) error {
		_, err := core.Define(client, core.Definition[string, string]{Name: name, Unit: core.Actor[string],
			Variants: []core.Variant[string, string]{{Name: "red"}}, Rollout: r})
		return err
	}
	require.ErrorContains(t, define("a", Random()), "no Store")
	require.ErrorContains(t, define("b", RoundRobin(new(counter))), "no Store")
	require.NoError(t, define("c", Random(EveryTime)))
	require.NoError(t, define("d", RoundRobin(new(counter), EveryTime)))
}
