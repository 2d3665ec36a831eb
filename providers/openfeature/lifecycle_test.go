package openfeature_test

import (
	"context"
	"errors"
	"testing"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// A faulty is a store that fails on demand.
type faulty struct {
	core.Store
	err error
}

func (s *faulty) Load(ctx context.Context, lookups []core.Lookup) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.Load(ctx, lookups)
}

// A watched is a provider of two experiments, whose events the test reads.
type watched struct {
	*openfeature.Provider
	store *faulty
	flags map[string]*fixed
}

func newWatched(t *testing.T) *watched {
	w := &watched{store: &faulty{Store: memstore.New(nil)}, flags: map[string]*fixed{"pill_color": on("red"), "other": on("red")}}
	client, _, _ := experiments(t, func(c *core.Config) { c.Store = w.store })
	for name, flag := range w.flags {
		core.Bind(must(core.Define(client, definition(name, flag, "red"))), byKey)
	}
	w.Provider = openfeature.NewProvider(client)
	require.NoError(t, w.Init(of.EvaluationContext{}))
	return w
}

// ask evaluates a flag and returns the events that it made.
func (w *watched) ask(name string) (events []of.Event) {
	w.StringEvaluation(ctx, name, "", of.FlattenedContext{of.TargetingKey: "ann"})
	for len(w.EventChannel()) > 0 {
		events = append(events, <-w.EventChannel())
	}
	return events
}

func TestProviderIsStaleWhileThingsFail(t *testing.T) {
	down := errors.New("500")
	stale, ready := []of.EventType{of.ProviderStale}, []of.EventType{of.ProviderReady}
	type step struct {
		pill, other, store error // from now on
		ask                string
		want               []of.EventType
	}
	for about, steps := range map[string][]step{
		"the store":              {{store: down, ask: "pill_color", want: stale}, {store: down, ask: "pill_color"}, {ask: "pill_color", want: ready}},
		"the flag system":        {{pill: down, ask: "pill_color", want: stale}, {ask: "pill_color", want: ready}},
		"all have to work again": {{pill: down, other: down, ask: "pill_color", want: stale}, {other: down, ask: "other"}, {other: down, ask: "pill_color"}, {ask: "other", want: ready}},
		"one flag alone":         {{pill: core.ErrFlagNotFound, ask: "pill_color"}, {pill: core.ErrUnknownVariant, ask: "pill_color"}, {ask: "elsewhere"}},
	} {
		t.Run(about, func(t *testing.T) {
			w := newWatched(t)
			for _, s := range steps {
				w.flags["pill_color"].err, w.flags["other"].err, w.store.err = s.pill, s.other, s.store
				var got []of.EventType
				for _, e := range w.ask(s.ask) {
					require.Equal(t, openfeature.ProviderName, e.ProviderName)
					got = append(got, e.EventType)
				}
				require.Equal(t, s.want, got)
			}
		})
	}
	t.Run("the SDK hears of it", func(t *testing.T) {
		store := &faulty{Store: memstore.New(nil), err: down}
		s := newShop(t, on("red"), func(c *core.Config, _ *core.Definition[string, string]) { c.Store = store })
		color, err := s.StringValue(ctx, "pill_color", "none", user("ann"))
		require.NoError(t, err, "a degraded store decides all the same")
		require.Equal(t, "red!", color)
		require.Eventually(t, func() bool { return s.State() == of.StaleState }, 10*time.Second, time.Millisecond)
	})
}

func TestProviderTellsChangesOfState(t *testing.T) {
	w := newWatched(t)
	flag := w.flags["pill_color"]
	require.Empty(t, w.ask("pill_color"))
	flag.Decision = core.Decision{State: core.Conditional}
	changed := w.ask("pill_color")
	require.Len(t, changed, 1)
	require.Equal(t, of.ProviderConfigChange, changed[0].EventType)
	require.Equal(t, []string{"pill_color"}, changed[0].FlagChanges)
	require.Equal(t, "experiment pill_color was on and is conditional", changed[0].Message)
	require.Empty(t, w.ask("pill_color"))

	flag.err = core.ErrFlagNotFound
	require.Empty(t, w.ask("pill_color"), "a failure is no change")
	flag.Decision, flag.err = core.Decision{}, nil
	require.Equal(t, "experiment pill_color was conditional and is off", w.ask("pill_color")[0].Message)
}

// Nobody reads the events: the newest stay, and no evaluation waits.
func TestProviderNeverBlocksOnEvents(t *testing.T) {
	w := newWatched(t)
	for i := range 1000 {
		w.flags["pill_color"].State = core.State(i % 2)
		w.StringEvaluation(ctx, "pill_color", "", of.FlattenedContext{of.TargetingKey: "ann"})
	}
	events := w.ask("pill_color")
	require.Equal(t, "experiment pill_color was off and is conditional", events[len(events)-1].Message)
}

func TestProviderLifecycle(t *testing.T) {
	client, _, _ := experiments(t, nil)
	p := openfeature.NewProvider(client, pill(client, on("red")))
	require.Equal(t, of.ProviderNotReadyCode, p.StringEvaluation(ctx, "pill_color", "", nil).ResolutionDetail().ErrorCode, "it is not registered")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, p.InitWithContext(cancelled, of.EvaluationContext{}), context.Canceled)

	// Two domains of one API share it; it ends when the last one lets go.
	api := newAPI(t)
	for _, domain := range []string{"one", "other"} {
		require.NoError(t, api.SetProviderAndWait(ctx, p, of.WithDomain(domain)))
		color, err := api.NewClient(of.WithDomain(domain)).StringValue(ctx, "pill_color", "none", user("ann"))
		require.NoError(t, err)
		require.Equal(t, "red!", color)
	}
	require.ErrorContains(t, newAPI(t).SetProviderAndWait(ctx, p), "already bound to a different API")
	other := api.NewClient(of.WithDomain("other"))
	require.NoError(t, api.SetProviderAndWait(ctx, &script{evaluate: red}, of.WithDomain("one")))
	_, err := other.StringValue(ctx, "pill_color", "none", user("ann"))
	require.NoError(t, err)
	require.NoError(t, p.ShutdownWithContext(ctx))
	_, err = other.StringValue(ctx, "pill_color", "none", user("ann"))
	require.ErrorContains(t, err, "PROVIDER_NOT_READY")
	require.NoError(t, api.SetProviderAndWait(ctx, p, of.WithDomain("third")))
	_, err = other.StringValue(ctx, "pill_color", "none", user("ann"))
	require.NoError(t, err, "it can be registered again")
}

func TestProviderRefusesBadArguments(t *testing.T) {
	client, _, _ := experiments(t, nil)
	stranger, _, _ := experiments(t, nil)
	e := must(core.Define(client, definition("pill_color", nil, "red")))
	older := core.Bind(e, byKey)
	core.Bind(e, byKey)
	for want, p := range map[string]*openfeature.Provider{
		"the core.Client is nil":                     openfeature.NewProvider(nil),
		"bound experiment 1 is nil":                  openfeature.NewProvider(client, nil),
		"experiment pill_color is bound on another ": openfeature.NewProvider(client, pill(stranger, nil)),
		"or was bound again since":                   openfeature.NewProvider(client, older),
	} {
		t.Run(want, func(t *testing.T) {
			api := newAPI(t)
			require.ErrorContains(t, api.SetProviderAndWait(ctx, p), want)
			require.Equal(t, of.FatalState, api.NewClient().State())
			_, err := api.NewClient().StringValue(ctx, "pill_color", "none", user("ann"))
			require.Error(t, err)
		})
	}
}
