package openfeature_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// A script is a provider that does what the test says.
type script struct {
	of.NoopProvider
	evaluate func(ctx context.Context, flag string, c of.FlattenedContext) of.StringResolutionDetail
	init     func() error
	events   chan of.Event
}

func (s *script) StringEvaluation(ctx context.Context, flag, _ string, c of.FlattenedContext) of.StringResolutionDetail {
	return s.evaluate(ctx, flag, c)
}

func (s *script) Init(of.EvaluationContext) error {
	if s.init == nil {
		return nil
	}
	return s.init()
}

func (s *script) Shutdown() {}

func (s *script) EventChannel() <-chan of.Event { return s.events }

func says(variant string, reason of.Reason) of.StringResolutionDetail {
	return of.StringResolutionDetail{Value: variant, ProviderResolutionDetail: of.ProviderResolutionDetail{Variant: variant, Reason: reason}}
}

func red(context.Context, string, of.FlattenedContext) of.StringResolutionDetail {
	return says("red", of.StaticReason)
}

var request = core.Request{Experiment: "pill_color", Key: "k1", Variants: []string{"control", "red", "blue"}}

func TestOneEvaluationPerTrial(t *testing.T) {
	asked := 0
	client := serve(t, &script{evaluate: func(context.Context, string, of.FlattenedContext) of.StringResolutionDetail {
		asked++
		return says("red", of.SplitReason)
	}})
	experiments, events, _ := experiments(t, nil)
	e := pill(t, experiments, openfeature.New(client, nil))
	color, err := e.Run(ctx, "ann")
	require.NoError(t, err)
	require.Equal(t, "red!", color)
	require.Equal(t, 1, asked)
	_, _ = e.Run(ctx, "ann")
	require.Equal(t, 2, asked, "a stored hit asks too, since off has to hide it")
	require.Len(t, events.Take(), 2)
}

func TestWhatTheProviderSees(t *testing.T) {
	var flag string
	var seen of.FlattenedContext
	api := newAPI(t)
	provider := &script{evaluate: func(_ context.Context, f string, c of.FlattenedContext) of.StringResolutionDetail {
		flag, seen = f, c
		return says("red", of.StaticReason)
	}}
	require.NoError(t, api.SetProviderAndWait(ctx, provider))
	api.SetEvaluationContext(of.NewTargetlessEvaluationContext(map[string]any{"region": "eu"}))
	r := openfeature.New(api.NewClient(), &openfeature.Options{Flag: func(experiment string) string { return "exp." + experiment }})

	about := request
	about.Traits = []core.Attr{core.String("plan", "pro"), core.Int("age", 7), core.Bool("beta", true), core.Float("score", 0.5)}
	transaction := of.WithTransactionContext(ctx, of.NewEvaluationContext("somebody", map[string]any{"page": "cart", "plan": "free"}))
	_, err := r.Resolve(transaction, about)
	require.NoError(t, err)
	require.Equal(t, "exp.pill_color", flag)
	require.Equal(t, of.FlattenedContext{
		"targetingKey": "k1", // the anonymous key, over that of the transaction
		"plan":         "pro",
		"age":          int64(7),
		"beta":         true,
		"score":        0.5,
		"page":         "cart",
		"region":       "eu",
	}, seen)
}

// Two clients of one API ask the providers of their own domains.
func TestDomains(t *testing.T) {
	api := newAPI(t)
	flags := func(variant string) *memprovider.InMemoryProvider {
		return memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{"pill_color": colors(variant, of.SplitReason)})
	}
	require.NoError(t, api.SetProviderAndWait(ctx, flags("red"), of.WithDomain("one")))
	require.NoError(t, api.SetProviderAndWait(ctx, flags("blue"), of.WithDomain("other")))
	for domain, want := range map[string]string{"one": "red", "other": "blue"} {
		r := openfeature.New(api.NewClient(of.WithDomain(domain)), nil)
		d, err := r.Resolve(ctx, request)
		require.NoError(t, err)
		require.Equal(t, want, d.Variant)
		require.Contains(t, r.Describe().Detail, domain)
	}
}

func TestProviderStates(t *testing.T) {
	resolve := func(t *testing.T, p of.FeatureProvider, wait bool) (core.Decision, error) {
		api := newAPI(t)
		if wait {
			_ = api.SetProviderAndWait(ctx, p)
		} else {
			require.NoError(t, api.SetProvider(ctx, p))
		}
		return openfeature.New(api.NewClient(), nil).Resolve(ctx, request)
	}
	t.Run("no provider", func(t *testing.T) {
		_, err := openfeature.New(newAPI(t).NewClient(), nil).Resolve(ctx, request)
		require.ErrorIs(t, err, core.ErrNotReady)
		require.ErrorContains(t, err, "no OpenFeature provider is set")
	})
	t.Run("not ready", func(t *testing.T) {
		initialised := make(chan struct{})
		_, err := resolve(t, &script{evaluate: red, init: func() error { <-initialised; return nil }}, false)
		close(initialised)
		require.ErrorIs(t, err, core.ErrNotReady)
		_, ok := errors.AsType[of.ResolutionError](err)
		require.True(t, ok, "the SDK's own error stays reachable")
	})
	t.Run("fatal", func(t *testing.T) {
		_, err := resolve(t, &script{evaluate: red, init: func() error {
			return &of.ProviderInitError{ErrorCode: of.ProviderFatalCode, Message: "bad key"}
		}}, true)
		require.ErrorIs(t, err, core.ErrNotReady)
	})
	failed := func() error { return errors.New("no connection") }
	t.Run("error, served while evaluations succeed", func(t *testing.T) {
		d, err := resolve(t, &script{evaluate: red, init: failed}, true)
		require.NoError(t, err)
		require.Equal(t, core.Decision{State: core.On, Variant: "red", Reason: "STATIC"}, d)
	})
	t.Run("error, and no flag", func(t *testing.T) {
		_, err := resolve(t, &script{init: failed, evaluate: func(context.Context, string, of.FlattenedContext) of.StringResolutionDetail {
			return of.StringResolutionDetail{ProviderResolutionDetail: of.ProviderResolutionDetail{ResolutionError: of.NewFlagNotFoundResolutionError("no flags")}}
		}}, true)
		require.ErrorIs(t, err, core.ErrNotReady, "it may have no flags at all")
	})
	t.Run("stale is served", func(t *testing.T) {
		p := &script{evaluate: red, events: make(chan of.Event, 1)}
		client := serve(t, p)
		p.events <- of.Event{EventType: of.ProviderStale}
		require.Eventually(t, func() bool { return client.State() == of.StaleState }, 10*time.Second, time.Millisecond)
		d, err := openfeature.New(client, nil).Resolve(ctx, request)
		require.NoError(t, err)
		require.Equal(t, "red", d.Variant)
	})
}

// An error of a hook comes with the reason STATIC.
func TestAfterHookThatFails(t *testing.T) {
	client := serve(t, &script{evaluate: red})
	client.AddHooks(failingHook{})
	_, err := openfeature.New(client, nil).Resolve(ctx, request)
	require.ErrorContains(t, err, "out of ink")
}

type failingHook struct{ of.UnimplementedHook }

func (failingHook) After(context.Context, of.HookContext, of.InterfaceEvaluationDetails, of.HookHints) error {
	return errors.New("out of ink")
}

func TestPanicsAreErrors(t *testing.T) {
	client := serve(t, &script{evaluate: func(context.Context, string, of.FlattenedContext) of.StringResolutionDetail { panic("boom") }})
	for _, timeout := range []time.Duration{0, time.Minute} {
		_, err := openfeature.New(client, &openfeature.Options{Timeout: timeout}).Resolve(ctx, request)
		require.ErrorContains(t, err, "panicked: boom")
		require.ErrorContains(t, err, "rollout_test.go", "the stack says where")
	}
	_, err := openfeature.New(client, &openfeature.Options{Flag: func(string) string { panic("bang") }}).Resolve(ctx, request)
	require.ErrorContains(t, err, "panicked: bang")
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan error, 1)
		client := serve(t, &script{evaluate: func(ctx context.Context, flag string, _ of.FlattenedContext) of.StringResolutionDetail {
			if flag == "pill_color" {
				time.Sleep(time.Minute) // whatever its ctx says
				gone <- ctx.Err()
			}
			return says("red", of.StaticReason)
		}})
		r := openfeature.New(client, &openfeature.Options{Timeout: time.Second})
		start := time.Now()
		_, err := r.Resolve(ctx, request)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "did not answer within 1s")
		require.Equal(t, time.Second, time.Since(start))
		require.Error(t, <-gone, "the provider could know")

		quick := request
		quick.Experiment = "quick"
		d, err := r.Resolve(ctx, quick)
		require.NoError(t, err)
		require.Equal(t, "red", d.Variant)

		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		d, err = r.Resolve(cancelled, quick)
		require.NoError(t, err, "what needs no I/O is not changed by a cancelled ctx")
		require.Equal(t, "red", d.Variant)
	})
}

func TestProviderThatEndsItsGoroutine(t *testing.T) {
	client := serve(t, &script{evaluate: func(context.Context, string, of.FlattenedContext) of.StringResolutionDetail {
		runtime.Goexit()
		return says("red", of.StaticReason)
	}})
	_, err := openfeature.New(client, &openfeature.Options{Timeout: time.Minute}).Resolve(ctx, request)
	require.ErrorContains(t, err, "ended its goroutine")
}

// A provider that never answers holds a bounded number of goroutines.
func TestUnansweredAreBounded(t *testing.T) {
	release := make(chan struct{})
	client := serve(t, &script{evaluate: func(context.Context, string, of.FlattenedContext) of.StringResolutionDetail {
		<-release
		return says("red", of.StaticReason)
	}})
	r := openfeature.New(client, &openfeature.Options{Timeout: time.Nanosecond})
	before := runtime.NumGoroutine()
	var err error
	for range openfeature.MaxPending + 10 {
		_, err = r.Resolve(ctx, request)
	}
	require.ErrorContains(t, err, fmt.Sprintf("%d evaluations are still unanswered", openfeature.MaxPending))
	require.LessOrEqual(t, runtime.NumGoroutine(), before+openfeature.MaxPending+5)
	close(release)
	require.Eventually(t, func() bool { return runtime.NumGoroutine() < before+5 }, 10*time.Second, 10*time.Millisecond)
}

func TestBadArguments(t *testing.T) {
	client := newAPI(t).NewClient()
	var none *of.Client
	for want, r := range map[string]*openfeature.Rollout{
		"the client is nil":    openfeature.New(nil, nil),
		"client is nil":        openfeature.New(none, nil),
		"Kind(7) is unknown":   openfeature.New(client, &openfeature.Options{Kind: 7}),
		"-1s is negative":      openfeature.New(client, &openfeature.Options{Timeout: -time.Second}),
		"which is no flag key": openfeature.New(serve(t, &script{}), &openfeature.Options{Flag: func(string) string { return "" }}),
	} {
		require.ErrorContains(t, r.Validate("pill_color", nil), want)
		require.Equal(t, "openfeature", r.Describe().Name)
		experiments, _, _ := experiments(t, nil)
		_, err := core.Define(experiments, core.Definition[string, string]{Name: "pill_color", Unit: func(id string) core.Unit { return core.Actor(id) }, Rollout: r})
		require.ErrorContains(t, err, want)
	}
	_, err := openfeature.New(nil, nil).Resolve(ctx, request)
	require.ErrorContains(t, err, "the client is nil")
	require.NoError(t, openfeature.New(client, nil).Validate("pill_color", nil))
}

func TestKinds(t *testing.T) {
	flag := func(value any) *openfeature.Rollout {
		p := memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{
			"pill_color": {State: memprovider.Enabled, DefaultVariant: "v", Variants: map[string]any{"v": value}}})
		kind := openfeature.ObjectFlags
		if _, is := value.(bool); is {
			kind = openfeature.BooleanFlags
		}
		return openfeature.New(serve(t, p), &openfeature.Options{Kind: kind, Field: "color"})
	}
	for _, c := range []struct {
		value any
		want  core.Decision
	}{
		{true, core.Decision{State: core.Conditional, Variant: core.AnyVariant, Reason: "STATIC"}},
		{false, core.Decision{State: core.Off, Variant: core.Control, Reason: "STATIC"}},
		{map[string]any{"color": "blue", "size": 3}, core.Decision{State: core.On, Variant: "blue", Reason: "STATIC"}},
		{map[string]any{"color": true}, core.Decision{State: core.Conditional, Variant: core.AnyVariant, Reason: "STATIC"}},
		{"red", core.Decision{State: core.On, Variant: "red", Reason: "STATIC"}},
	} {
		d, err := flag(c.value).Resolve(ctx, request)
		require.NoError(t, err)
		require.Equal(t, c.want, d)
	}
	_, err := flag(map[string]any{"size": 3}).Resolve(ctx, request)
	require.ErrorIs(t, err, core.ErrUnknownVariant)
	require.ErrorContains(t, err, "an object without color")

	text := memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{"pill_color": colors("red", of.SplitReason)})
	_, err = openfeature.New(serve(t, text), &openfeature.Options{Kind: openfeature.BooleanFlags}).Resolve(ctx, request)
	require.ErrorContains(t, err, `flag "pill_color" is no boolean flag, see Options.Kind`)
	require.Equal(t, "Kind(9)", openfeature.Kind(9).String())
}
