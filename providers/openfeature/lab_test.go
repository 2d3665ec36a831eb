package openfeature_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
)

var (
	secret = []byte("0123456789abcdef0123456789abcdef")
	ctx    = context.Background()
)

// domain is where most tests bind their provider: a name, so that nothing works
// by accident of being the default.
const domain = "flags"

// serve returns a client of an API of its own, with the provider ready.
func serve(t testing.TB, p of.FeatureProvider) *of.Client {
	t.Helper()
	api := newAPI(t)
	require.NoError(t, api.SetProviderAndWait(ctx, p, of.WithDomain(domain)))
	return api.NewClient(of.WithDomain(domain))
}

// newAPI returns an API that knows nothing of the global one.
func newAPI(t testing.TB) *of.EvaluationAPI {
	api := isolated.NewAPI()
	t.Cleanup(func() { require.NoError(t, api.Shutdown(context.Background())) })
	return api
}

// answers returns an evaluator of memprovider's that gives the variant and the
// reason.
func answers(variant string, reason of.Reason, metadata of.FlagMetadata) memprovider.ContextEvaluator {
	evaluate := func(f memprovider.InMemoryFlag, _ of.FlattenedContext) (any, of.ProviderResolutionDetail) {
		return f.Variants[variant], of.ProviderResolutionDetail{Variant: variant, Reason: reason, FlagMetadata: metadata}
	}
	return &evaluate
}

// colors is a string flag whose values name its variants.
func colors(variant string, reason of.Reason) memprovider.InMemoryFlag {
	return memprovider.InMemoryFlag{
		State:            memprovider.Enabled,
		Variants:         map[string]any{"control": "control", "red": "red", "blue": "blue"},
		ContextEvaluator: answers(variant, reason, nil),
	}
}

// A logbook is where a client's logger writes.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// experiments returns a client with a memory store, its events and its log.
func experiments(t testing.TB, change func(*core.Config)) (*core.Client, *tracking.Recorder, *logbook) {
	t.Helper()
	events, log := &tracking.Recorder{}, &logbook{}
	cfg := core.Config{KeySecret: secret, Store: core.NewMemoryStore(nil), Tracker: events,
		Logger: slog.New(slog.NewTextHandler(log, nil))}
	if change != nil {
		change(&cfg)
	}
	client, err := core.New(cfg)
	require.NoError(t, err)
	return client, events, log
}

// pill is an experiment with red and blue, decided by r.
func pill(t testing.TB, client *core.Client, r core.Rollout) *core.Experiment[string, string] {
	t.Helper()
	e, err := core.Define(client, core.Definition[string, string]{
		Name:     "pill_color",
		Unit:     func(id string) core.Unit { return core.Actor(id) },
		Control:  core.Variant[string, string]{Value: "grey"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red!"}, {Name: "blue", Value: "blue!"}},
		Rollout:  r,
	})
	require.NoError(t, err)
	return e
}

// user is the evaluation context of one user.
func user(id string) of.EvaluationContext { return of.NewEvaluationContext(id, nil) }
