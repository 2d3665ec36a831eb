package openfeature_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// A faulty is a store that fails on demand.
type faulty struct {
	core.Store
	mu  sync.Mutex
	err error
}

func (s *faulty) Load(ctx context.Context, experiment, key string, older []string) (core.Entry, []string, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return core.Entry{}, nil, false, s.err
	}
	return s.Store.Load(ctx, experiment, key, older)
}

func (s *faulty) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// heard returns the events that reach handlers of the client.
func heard(t testing.TB, c *of.Client, kinds ...of.EventType) <-chan of.EventDetails {
	events := make(chan of.EventDetails, 100)
	for _, kind := range kinds {
		handler := func(e of.EventDetails) { events <- e }
		c.AddHandler(kind, &handler)
		t.Cleanup(func() { c.RemoveHandler(kind, &handler) })
	}
	return events
}

func next(t testing.TB, events <-chan of.EventDetails) of.EventDetails {
	t.Helper()
	select {
	case e := <-events:
		require.Equal(t, openfeature.ProviderName, e.ProviderName)
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
		return of.EventDetails{}
	}
}

func TestProviderIsStaleWhileThingsFail(t *testing.T) {
	store := &faulty{Store: core.NewMemoryStore(nil)}
	decision := on("red")
	s := newShop(t, decision, func(c *core.Config, _ *core.Definition[string, string]) { c.Store = store })
	require.Equal(t, of.ReadyState, s.State())
	stale, ready := heard(t, s.Client, of.ProviderStale), heard(t, s.Client, of.ProviderReady)
	next(t, ready) // of now
	ask := func() { s.String(ctx, "pill_color", "none", user("ann")) }
	becomes := func(state of.State) {
		t.Helper()
		require.Eventually(t, func() bool { return s.State() == state }, 10*time.Second, time.Millisecond)
	}

	store.fail(errors.New("connection refused"))
	color, err := s.StringValue(ctx, "pill_color", "none", user("ann"))
	require.NoError(t, err, "a degraded store decides all the same")
	require.Equal(t, "red!", color)
	require.Contains(t, next(t, stale).Message, "pill_color")
	becomes(of.StaleState)
	ask()
	store.fail(nil)
	ask()
	next(t, ready)
	becomes(of.ReadyState)

	decision.err = errors.New("500")
	ask()
	next(t, stale)
	decision.err = nil
	ask()
	next(t, ready)
	becomes(of.ReadyState)

	for _, about := range []error{core.ErrFlagNotFound, core.ErrUnknownVariant} {
		decision.err = about
		ask()
	}
	s.String(ctx, "elsewhere", "none", user("ann"))
	require.Equal(t, of.ReadyState, s.State(), "what is about one flag is not about all")
	require.Empty(t, stale)
}

// The provider is stale until all experiments that met a failure work again.
func TestProviderCountsWhatFails(t *testing.T) {
	client, _, _ := experiments(t, nil)
	rollouts := map[string]*flag{}
	for _, name := range []string{"one", "other"} {
		rollouts[name] = on("it")
		e, err := core.Define(client, core.Definition[string, string]{Name: name, Rollout: rollouts[name],
			Unit: func(id string) core.Unit { return core.Actor(id) }, Variants: []core.Variant[string, string]{{Name: "it"}}})
		require.NoError(t, err)
		core.Expose(e, byKey)
	}
	p := openfeature.NewProvider(client)
	require.NoError(t, p.Init(of.EvaluationContext{}))
	ask := func(name string, err error) (kinds []of.EventType) {
		rollouts[name].err = err
		p.StringEvaluation(ctx, name, "", of.FlattenedContext{of.TargetingKey: "ann"})
		for len(p.EventChannel()) > 0 {
			kinds = append(kinds, (<-p.EventChannel()).EventType)
		}
		return kinds
	}
	down := errors.New("500")
	require.Equal(t, []of.EventType{of.ProviderStale}, ask("one", down))
	require.Empty(t, ask("other", down))
	require.Empty(t, ask("one", nil))
	require.Equal(t, []of.EventType{of.ProviderReady}, ask("other", nil))
}

func TestProviderTellsChanges(t *testing.T) {
	decision := on("red")
	s := newShop(t, decision, nil)
	changes := heard(t, s.Client, of.ProviderConfigChange)
	ask := func() { s.String(ctx, "pill_color", "none", user("ann")) }
	ask()
	ask()
	decision.d = core.Decision{State: core.Conditional}
	ask()
	e := next(t, changes)
	require.Equal(t, []string{"pill_color"}, e.FlagChanges)
	require.Equal(t, "experiment pill_color was on and is conditional", e.Message)
	decision.err = errors.New("500")
	ask()
	decision.err = nil
	ask()
	require.Empty(t, changes, "a failure is no change")
	decision.d = core.Decision{}
	ask()
	require.Equal(t, "experiment pill_color was conditional and is off", next(t, changes).Message)
}

// Nobody reads the events: the newest stay, and no evaluation waits.
func TestProviderNeverBlocksOnEvents(t *testing.T) {
	decision := on("red")
	client, _, _ := experiments(t, nil)
	p := openfeature.NewProvider(client, core.Expose(pill(t, client, decision), byKey))
	require.NoError(t, p.Init(of.EvaluationContext{}))
	for i := range 1000 {
		decision.d.State = core.State(i % 2)
		p.StringEvaluation(ctx, "pill_color", "", of.FlattenedContext{of.TargetingKey: "ann"})
	}
	var last of.Event
	for len(p.EventChannel()) > 0 {
		last = <-p.EventChannel()
	}
	require.Equal(t, "experiment pill_color was off and is conditional", last.Message)
}

func TestProviderLifecycle(t *testing.T) {
	client, _, _ := experiments(t, nil)
	x := core.Expose(pill(t, client, on("red")), byKey)
	p := openfeature.NewProvider(client, x)
	require.Equal(t, of.ProviderNotReadyCode, p.StringEvaluation(ctx, "pill_color", "", nil).ResolutionDetail().ErrorCode, "it is not registered")

	api := newAPI(t)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, p.InitWithContext(cancelled, of.EvaluationContext{}), context.Canceled)

	// Two domains of one API share it; it ends when the last one lets go.
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
	foreign := core.Expose(pill(t, stranger, nil), byKey)
	e := pill(t, client, nil)
	older := core.Expose(e, byKey)
	core.Expose(e, byKey)
	for want, p := range map[string]*openfeature.Provider{
		"the core.Client is nil":                    openfeature.NewProvider(nil),
		"exposed experiment 1 is nil":               openfeature.NewProvider(client, nil),
		"experiment pill_color is exposed on anoth": openfeature.NewProvider(client, foreign),
		"or was exposed again since":                openfeature.NewProvider(client, older),
	} {
		api := newAPI(t)
		require.ErrorContains(t, api.SetProviderAndWait(ctx, p), want)
		require.Equal(t, of.FatalState, api.NewClient().State())
		_, err := api.NewClient().StringValue(ctx, "pill_color", "none", user("ann"))
		require.Error(t, err)
	}
}
