package openfeature_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

func TestWhatTheProviderSees(t *testing.T) {
	var flag string
	var seen of.FlattenedContext
	api := newAPI(t)
	require.NoError(t, api.SetProviderAndWait(ctx, &script{evaluate: func(_ context.Context, f string, c of.FlattenedContext) detail {
		flag, seen = f, c
		return says("red", of.StaticReason)
	}}))
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

func TestPanicsAreErrors(t *testing.T) {
	client := serve(t, &script{evaluate: func(_ context.Context, flag string, _ of.FlattenedContext) detail {
		if flag == "exit" {
			runtime.Goexit()
		}
		panic("boom")
	}})
	for about, o := range map[string]*openfeature.Options{
		"of the provider":                  nil,
		"of the provider, under a timeout": {Timeout: time.Minute},
		"of Options.Flag":                  {Flag: func(string) string { panic("boom") }},
	} {
		t.Run(about, func(t *testing.T) {
			_, err := openfeature.New(client, o).Resolve(ctx, request)
			require.ErrorContains(t, err, "panicked: boom")
			require.ErrorContains(t, err, "rollout_test.go", "the stack says where")
		})
	}
	t.Run("of a goroutine that ends", func(t *testing.T) {
		exit := func(string) string { return "exit" }
		_, err := openfeature.New(client, &openfeature.Options{Timeout: time.Minute, Flag: exit}).Resolve(ctx, request)
		require.ErrorContains(t, err, "ended its goroutine")
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan error, 1)
		client := serve(t, &script{evaluate: func(ctx context.Context, flag string, _ of.FlattenedContext) detail {
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
		require.Equal(t, time.Second, time.Since(start), "of the bubble's time")
		require.Error(t, <-gone, "the provider could know")

		quick := request
		quick.Experiment = "quick"
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		for _, ctx := range []context.Context{ctx, cancelled} {
			d, err := r.Resolve(ctx, quick)
			require.NoError(t, err, "what needs no I/O is not changed by a cancelled ctx")
			require.Equal(t, "red", d.Variant)
		}
	})
}

// A provider that never answers holds a bounded number of goroutines.
func TestUnansweredEvaluationsAreBounded(t *testing.T) {
	const bound = 10_000
	release := make(chan struct{})
	client := serve(t, &script{evaluate: func(context.Context, string, of.FlattenedContext) detail {
		<-release
		return says("red", of.StaticReason)
	}})
	r := openfeature.New(client, &openfeature.Options{Timeout: time.Nanosecond})
	before := runtime.NumGoroutine()
	var err error
	for range bound + 10 {
		_, err = r.Resolve(ctx, request)
	}
	require.ErrorContains(t, err, "10000 evaluations are still unanswered")
	require.LessOrEqual(t, runtime.NumGoroutine(), before+bound+5)
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
		t.Run(want, func(t *testing.T) {
			require.ErrorContains(t, r.Validate("pill_color", nil), want)
			require.Equal(t, "openfeature", r.Describe().Name)
			experiments, _, _ := experiments(t, nil)
			_, err := core.Define(experiments, core.Definition[string, string]{Name: "pill_color", Unit: core.Actor[string], Rollout: r})
			require.ErrorContains(t, err, want)
		})
	}
	_, err := openfeature.New(nil, nil).Resolve(ctx, request)
	require.ErrorContains(t, err, "the client is nil")
	require.NoError(t, openfeature.New(client, nil).Validate("pill_color", nil))
}

func TestFlagOfAnotherKind(t *testing.T) {
	_, err := openfeature.New(serve(t, pillFlag("red", of.SplitReason)), &openfeature.Options{Kind: openfeature.BooleanFlags}).Resolve(ctx, request)
	require.ErrorContains(t, err, `flag "pill_color" is no boolean flag, see Options.Kind`)
	require.Equal(t, `domain "flags", string flags`, openfeature.New(serve(t, &script{}), nil).Describe().Detail)
	for kind, want := range []string{"string", "boolean", "object", "Kind(3)"} {
		require.Equal(t, want, openfeature.Kind(kind).String())
	}
}
