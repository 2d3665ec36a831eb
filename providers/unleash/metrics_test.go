package unleash_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// A counter is a listener that counts evaluations.
type counter struct {
	uc.NoopListener
	mu     sync.Mutex
	counts map[string]int
}

func (c *counter) OnCount(name string, _ bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name]++
}

func (c *counter) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[name]
}

// require waits until the client, which calls listeners a moment later, has
// counted want evaluations of a toggle. It is asked after later evaluations
// too, so one too many shows.
func (c *counter) require(t *testing.T, name string, want int) {
	t.Helper()
	eventually(t, func() bool { return c.of(name) >= want })
	require.Equal(t, want, c.of(name))
}

// One evaluation is one count, whatever it answers, and the server is sent as
// many. An unknown toggle is not evaluated.
func TestMetricsCountEvaluations(t *testing.T) {
	c := &counter{counts: map[string]int{}}
	s, f := over(t, enabled(share50())+`,{"name":"off"}`, unleash.Options{},
		uc.WithListener(c), counting, uc.WithMetricsInterval(10*time.Millisecond))
	for i := range 20 {
		for _, name := range []string{"x", "off", "unknown"} {
			_, err := ask(t, s, name, string(rune('a'+i)))
			require.Equal(t, name == "unknown", err != nil)
		}
	}
	c.require(t, "x", 20)
	c.require(t, "off", 20)
	eventually(t, func() bool { return f.counted.Load() == 40 })
	require.Zero(t, c.of("unknown"))
}

// experiment returns an experiment with the variant "red", over r and a memory
// store.
func experiment(t *testing.T, name string, r core.Rollout) (*core.Experiment[string, string], *tracking.Recorder, *memstore.Store) {
	t.Helper()
	events, store := &tracking.Recorder{}, memstore.New(nil)
	client, err := core.New(core.Config{Rollout: r, Store: store, InsecureNoSecret: true, Tracker: events})
	require.NoError(t, err)
	return core.MustDefine(client, core.Definition[string, string]{
		Name:     name,
		Unit:     core.Actor[string],
		Control:  core.Variant[string, string]{Value: "grey"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red"}},
	}), events, store
}

// Unleash counts a trial once, stored hits and excluded units included, however
// much is asked of it.
func TestMetricsCountTrials(t *testing.T) {
	c := &counter{counts: map[string]int{}}
	s, _ := over(t, enabled(share100(variants("red=1", ""))), unleash.Options{}, uc.WithListener(c), counting, seldom)
	exp, _, _ := experiment(t, "x", s)
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

// Impressions are a listener that hears of evaluations.
type impressions chan uc.ImpressionEvent

func (i impressions) OnImpression(e uc.ImpressionEvent) { i <- e }

// Unleash has no endpoint for conversions, but tells the app of each evaluation,
// by a client without metrics too.
func TestImpressions(t *testing.T) {
	heard := make(impressions)
	s, _ := over(t, with(`"impressionData":true`, enabled(share100(variants("red=1", "")))), unleash.Options{}, uc.WithListener(unleash.Detach(heard)))
	gets(t, s, "x", "alice", "control", "red")
	e := <-heard
	require.Equal(t, []string{"x", "red", "alice"}, []string{e.FeatureName, e.Variant, e.Context.UserId})
}
