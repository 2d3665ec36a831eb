package unleash

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// A counter is a listener that counts evaluations.
type counter struct {
	uc.NoopListener
	mu          sync.Mutex
	counts      map[string]int
	impressions []uc.ImpressionEvent
}

func (c *counter) OnCount(name string, _ bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[name]++
}

func (c *counter) OnImpression(e uc.ImpressionEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.impressions = append(c.impressions, e)
}

// require waits until the client, which calls listeners a moment later, has
// counted want evaluations of a toggle. It is asked after later evaluations
// too, so one too many shows.
func (c *counter) require(t *testing.T, name string, want int) {
	t.Helper()
	eventually(t, func() bool { return c.of(name) >= want })
	require.Equal(t, want, c.of(name))
}

func (c *counter) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[name]
}

// TestMetricsCountEvaluations: one evaluation is one count, whatever it
// answers, and the server is sent as many. An unknown toggle is not evaluated.
func TestMetricsCountEvaluations(t *testing.T) {
	c := &counter{}
	r, f := over(t, "["+enabled(share50())+`,{"name":"off"}]`, nil,
		uc.WithListener(c), counting, uc.WithMetricsInterval(10*time.Millisecond))
	for i := range 20 {
		_, err := ask(r, "x", string(rune('a'+i)))
		require.NoError(t, err)
		_, err = ask(r, "off", string(rune('a'+i)))
		require.NoError(t, err)
		_, err = ask(r, "unknown", string(rune('a'+i)))
		require.ErrorIs(t, err, core.ErrFlagNotFound)
	}
	c.require(t, "x", 20)
	c.require(t, "off", 20)
	eventually(t, func() bool { return f.counted.Load() == 40 })
	require.Zero(t, c.of("unknown"))
}

// TestMetricsCountTrials: Unleash counts a trial once, stored hits and excluded
// units included, however much is asked of it.
func TestMetricsCountTrials(t *testing.T) {
	c := &counter{}
	r, _ := over(t, "["+enabled(share100(variants("red=1", "")))+"]", nil, uc.WithListener(c), counting, seldom)
	exp := experiment(t, r)
	ctx := context.Background()

	trial := exp.For("ada")
	_, err := trial.Run(ctx)
	require.NoError(t, err)
	require.NoError(t, trial.Track(ctx, core.Event{Action: "clicked"}))
	require.Equal(t, core.SourceResolved, trial.Assign(ctx).Source)
	c.require(t, "x", 1)

	require.Equal(t, core.SourceStored, exp.Assign(ctx, "ada").Source)
	c.require(t, "x", 2)

	excluded := exp.For("bob")
	excluded.Exclude()
	require.Equal(t, core.SourceExcluded, excluded.Assign(ctx).Source)
	c.require(t, "x", 3)
}

// experiment returns the experiment "x" with the variant "red", over r and a
// memory store.
func experiment(t *testing.T, r core.Rollout) *core.Experiment[string, string] {
	t.Helper()
	client, err := core.New(core.Config{Rollout: r, Store: memstore.New(nil), InsecureNoSecret: true,
		Tracker: core.TrackerFunc(func(context.Context, core.Event) error { return nil })})
	require.NoError(t, err)
	exp, err := core.Define(client, core.Definition[string, string]{
		Name:     "x",
		Unit:     func(id string) core.Unit { return core.Actor(id) },
		Control:  core.Variant[string, string]{Value: "grey"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red"}},
	})
	require.NoError(t, err)
	return exp
}

// TestMetricsWithout is the way for who wants none: nothing is counted, and
// nothing is sent.
func TestMetricsWithout(t *testing.T) {
	c := &counter{}
	r, f := over(t, "["+enabled()+"]", nil, uc.WithListener(c), uc.WithMetricsInterval(time.Millisecond))
	for range 20 {
		_, err := ask(r, "x", "alice")
		require.NoError(t, err)
	}
	n := f.fetches.Load()
	eventually(t, func() bool { return f.fetches.Load() > n+1 })
	require.Zero(t, c.of("x"))
	require.Zero(t, f.counted.Load())
}

// TestImpressions is the way to analytics: Unleash has no endpoint for
// conversions, but tells the app of each evaluation, with the experiment's key.
func TestImpressions(t *testing.T) {
	c := &counter{}
	toggle := strings.Replace(enabled(share100(variants("red=1", ""))), `"enabled"`, `"impressionData":true,"enabled"`, 1)
	r, _ := over(t, "["+toggle+"]", nil, uc.WithListener(Detach(c)))
	exp := experiment(t, r)
	a := exp.Assign(context.Background(), "ada")
	eventually(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.impressions) == 1 })
	e := c.impressions[0]
	require.Equal(t, "x", e.FeatureName)
	require.Equal(t, "red", e.Variant)
	require.Equal(t, a.Key, e.Context.UserId)
}
