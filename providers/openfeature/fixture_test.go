package openfeature_test

import (
	"context"
	"errors"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/internal/logbook"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

var (
	secret  = []byte("0123456789abcdef0123456789abcdef")
	ctx     = context.Background()
	request = core.Request{Experiment: "pill_color", Key: "k1", Variants: []string{"control", "red", "blue"}}
)

// newAPI returns an API that knows nothing of the global one.
func newAPI(t testing.TB) *of.EvaluationAPI {
	api := isolated.NewAPI()
	t.Cleanup(func() { require.NoError(t, api.Shutdown(context.Background())) })
	return api
}

// serve returns a client of an API of its own, with the provider ready under a
// domain, so that nothing works by accident of being the default.
func serve(t testing.TB, p of.FeatureProvider) *of.Client {
	t.Helper()
	api := newAPI(t)
	require.NoError(t, api.SetProviderAndWait(ctx, p, of.WithDomain("flags")))
	return api.NewClient(of.WithDomain("flags"))
}

// user is the evaluation context of one user.
func user(id string) of.EvaluationContext { return of.NewEvaluationContext(id, nil) }

type flagSet = map[string]memprovider.InMemoryFlag

// flagOf is a flag of any type that gives everybody one answer.
func flagOf(value any, variant string, reason of.Reason, metadata of.FlagMetadata) memprovider.InMemoryFlag {
	evaluate := func(memprovider.InMemoryFlag, of.FlattenedContext) (any, of.ProviderResolutionDetail) {
		return value, of.ProviderResolutionDetail{Variant: variant, Reason: reason, FlagMetadata: metadata}
	}
	return memprovider.InMemoryFlag{State: memprovider.Enabled, Variants: map[string]any{variant: value}, ContextEvaluator: &evaluate}
}

// colors is a string flag whose value names its variant.
func colors(variant string, reason of.Reason) memprovider.InMemoryFlag {
	return flagOf(variant, variant, reason, nil)
}

// pillFlag is a provider with the flag pill_color.
func pillFlag(variant string, reason of.Reason) of.FeatureProvider {
	return memprovider.NewInMemoryProvider(flagSet{"pill_color": colors(variant, reason)})
}

// A script is a provider that does what the test says.
type script struct {
	of.NoopProvider
	evaluate func(ctx context.Context, flag string, c of.FlattenedContext) detail
	init     func() error
	events   chan of.Event
}

func (s *script) StringEvaluation(ctx context.Context, flag, _ string, c of.FlattenedContext) detail {
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

type detail = of.StringResolutionDetail

func says(variant string, reason of.Reason) detail {
	return detail{Value: variant, ProviderResolutionDetail: of.ProviderResolutionDetail{Variant: variant, Reason: reason}}
}

func red(context.Context, string, of.FlattenedContext) detail { return says("red", of.StaticReason) }

// A hook does what the test says.
type hook struct {
	of.UnimplementedHook
	before, after error
	explode       bool
}

func (h hook) Before(context.Context, of.HookContext, of.HookHints) (*of.EvaluationContext, error) {
	if h.explode {
		panic("boom")
	}
	return nil, h.before
}

func (h hook) After(context.Context, of.HookContext, of.InterfaceEvaluationDetails, of.HookHints) error {
	return h.after
}

var (
	errHook  = errors.New("out of ink")
	stopping = hook{before: errHook}
	failing  = hook{after: errHook}
)

// experiments returns a client with a memory store, its events and its log.
func experiments(t testing.TB, change func(*core.Config)) (*core.Client, *tracking.Recorder, *logbook.Book) {
	t.Helper()
	events, log := &tracking.Recorder{}, &logbook.Book{}
	cfg := core.Config{KeySecret: secret, Store: memstore.New(nil), Tracker: events, Logger: log.Logger()}
	if change != nil {
		change(&cfg)
	}
	return must(core.New(cfg)), events, log
}

// definition is an experiment that counts users. The behaviour of a variant
// returns its name and "!".
func definition(name string, r core.Rollout, variants ...string) core.Definition[string, string] {
	def := core.Definition[string, string]{Name: name, Unit: core.Actor[string], Control: core.Variant[string, string]{Value: "grey"}, Rollout: r}
	for _, v := range variants {
		def.Variants = append(def.Variants, core.Variant[string, string]{Name: v, Value: v + "!"})
	}
	return def
}

// pill is the experiment pill_color of client, bound.
func pill(client *core.Client, r core.Rollout) *core.Bound {
	return core.Bind(must(core.Define(client, definition("pill_color", r, "red", "blue"))), byKey)
}

// byKey makes a subject of the targeting key.
func byKey(attrs map[string]any) (string, error) {
	id, ok := attrs[of.TargetingKey].(string)
	if !ok {
		return "", errors.New("who is it?")
	}
	return id, nil
}

// A fixed rollout decides what the test says.
type fixed struct {
	core.Decision
	err error
}

func (f *fixed) Resolve(context.Context, core.Request) (core.Decision, error) {
	return f.Decision, f.err
}

func decided(s core.State, variant string) *fixed {
	return &fixed{Decision: core.Decision{State: s, Variant: variant}}
}

func on(variant string) *fixed { return decided(core.On, variant) }

// A shop is an OpenFeature client whose provider is pill_color.
type shop struct {
	*of.Client
	core     *core.Client
	exp      *core.Experiment[string, string]
	events   *tracking.Recorder
	log      *logbook.Book
	provider *openfeature.Provider
}

func newShop(t testing.TB, r core.Rollout, change func(*core.Config, *core.Definition[string, string])) *shop {
	t.Helper()
	def := definition("pill_color", r, "red", "blue")
	s := &shop{}
	s.core, s.events, s.log = experiments(t, func(c *core.Config) {
		if change != nil {
			change(c, &def)
		}
	})
	s.exp = must(core.Define(s.core, def))
	s.provider = openfeature.NewProvider(s.core, core.Bind(s.exp, byKey))
	s.Client = serve(t, s.provider)
	return s
}
