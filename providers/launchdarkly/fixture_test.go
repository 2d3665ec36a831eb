package launchdarkly_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldreason"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/interfaces"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/ldhooks"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

// watchdog bounds what should take no time at all.
const watchdog = 30 * time.Second

// makeClient returns a client that talks to nobody but what cfg says, with the
// SDK's error.
func makeClient(t testing.TB, cfg ld.Config, wait time.Duration) (*ld.LDClient, error) {
	t.Helper()
	if cfg.Events == nil {
		cfg.Events = ldcomponents.NoEvents()
	}
	if cfg.Logging == nil {
		cfg.Logging = ldcomponents.NoLogging()
	}
	cfg.DiagnosticOptOut = true
	client, err := ld.MakeCustomClient("sdk-key", cfg, wait)
	if client != nil {
		t.Cleanup(func() { _ = client.Close() })
	}
	return client, err
}

// newClient is makeClient for a client that works.
func newClient(t testing.TB, cfg ld.Config) *ld.LDClient {
	t.Helper()
	client, err := makeClient(t, cfg, watchdog)
	require.NoError(t, err)
	return client
}

// notReady returns a rollout over a client that waits for flags that never come.
func notReady(t *testing.T) core.Rollout {
	client, err := makeClient(t, ld.Config{DataSource: mute{}}, 0)
	require.NoError(t, err)
	return launchdarkly.New(client, nil)
}

// mute is a data source that has nothing to say.
type mute struct{}

func (mute) Build(subsystems.ClientContext) (subsystems.DataSource, error) { return mute{}, nil }
func (mute) IsInitialized() bool                                           { return false }
func (mute) Start(chan<- struct{})                                         {}
func (mute) Close() error                                                  { return nil }

// A system is a client that has flags.
type system struct {
	*ld.LDClient
	source *ldtestdata.TestDataSource
	defs   *launchdarkly.Definitions
}

func newSystem(t testing.TB, cfg ld.Config, flags ...ldmodel.FeatureFlag) *system {
	t.Helper()
	s := &system{source: ldtestdata.DataSource(), defs: launchdarkly.DataStore(nil)}
	s.put(flags...)
	s.start(t, cfg)
	return s
}

// start makes the client.
func (s *system) start(t testing.TB, cfg ld.Config) {
	t.Helper()
	cfg.DataSource, cfg.DataStore = s.source, s.defs
	s.LDClient = newClient(t, cfg)
}

func (s *system) put(flags ...ldmodel.FeatureFlag) {
	for _, f := range flags {
		s.source.UsePreconfiguredFlag(f)
	}
}

// rollout returns a rollout that sees the flags' definitions.
func (s *system) rollout(o launchdarkly.Options) *launchdarkly.Rollout {
	o.Definitions = s.defs
	return launchdarkly.New(s.LDClient, &o)
}

func request(name, key string, traits ...core.Attr) core.Request {
	return core.Request{Experiment: name, Key: key, Variants: []string{core.Control, "red", "blue"}, Traits: traits}
}

func resolve(t testing.TB, r core.Rollout, name, key string, traits ...core.Attr) core.Decision {
	t.Helper()
	d, err := r.Resolve(t.Context(), request(name, key, traits...))
	require.NoError(t, err)
	return d
}

// pill returns the experiment of that name, which has red and blue, and is not
// for eve.
func pill(t testing.TB, cfg core.Config) *core.Experiment[string, string] {
	t.Helper()
	cfg.KeySecret, cfg.Logger = make([]byte, 32), slog.New(slog.DiscardHandler)
	client, err := core.New(cfg)
	require.NoError(t, err)
	return core.MustDefine(client, core.Definition[string, string]{
		Name: "pill", Unit: core.Actor[string], Variants: []core.Variant[string, string]{{Name: "red"}, {Name: "blue"}},
		Exclusions: []core.Rule[string]{{Name: "staff", If: func(_ context.Context, id string) bool { return id == "eve" }}},
	})
}

var colours = []ldvalue.Value{ldvalue.String("control"), ldvalue.String("red"), ldvalue.String("blue")}

// flag returns a builder of a flag that is on, with the variations control, red
// and blue, and gives control.
func flag(key string) *ldbuilders.FlagBuilder {
	return ldbuilders.NewFlagBuilder(key).On(true).Variations(colours...).OffVariation(0).Salt("salt").FallthroughVariation(0)
}

// redFlag is one that gives everybody red.
func redFlag(key string) ldmodel.FeatureFlag { return flag(key).FallthroughVariation(1).Build() }

// split3 is the flag pill with three variations at 34, 33 and 33 %.
func split3() ldmodel.FeatureFlag { return flag("pill").Fallthrough(share(34, 33, 33)).Build() }

// share is a rollout by units, with the weights of variations 0, 1, ... in
// percent.
func share(percent ...int) ldmodel.VariationOrRollout {
	return shareBy(launchdarkly.DefaultKind, percent...)
}

func shareBy(kind string, percent ...int) ldmodel.VariationOrRollout {
	v := ldbuilders.Rollout(buckets(percent)...)
	v.Rollout.ContextKind = ldcontext.Kind(kind)
	return v
}

// trial is share as an experiment of LaunchDarkly's, of which rest percent
// is outside and gets control.
func trial(rest int, percent ...int) ldmodel.VariationOrRollout {
	all := append(buckets(percent), ldbuilders.BucketUntracked(0, rest*1000))
	v := ldbuilders.Experiment(ldvalue.NewOptionalInt(61), all...)
	v.Rollout.ContextKind = launchdarkly.DefaultKind
	return v
}

func buckets(percent []int) []ldmodel.WeightedVariation {
	var all []ldmodel.WeightedVariation
	for i, p := range percent {
		all = append(all, ldbuilders.Bucket(i, p*1000))
	}
	return all
}

// A spy is a hook of the SDK's that tells what it sees before each evaluation,
// and after.
type spy struct {
	ldhooks.Unimplemented
	before func(context.Context, ldhooks.EvaluationSeriesContext)
	after  func()
}

func (*spy) Metadata() ldhooks.Metadata { return ldhooks.NewMetadata("spy") }

func (s *spy) BeforeEvaluation(ctx context.Context, series ldhooks.EvaluationSeriesContext, data ldhooks.EvaluationSeriesData) (ldhooks.EvaluationSeriesData, error) {
	if s.before != nil {
		s.before(ctx, series)
	}
	return data, nil
}

func (s *spy) AfterEvaluation(_ context.Context, _ ldhooks.EvaluationSeriesContext, data ldhooks.EvaluationSeriesData, _ ldreason.EvaluationDetail) (ldhooks.EvaluationSeriesData, error) {
	if s.after != nil {
		s.after()
	}
	return data, nil
}

// A sink is a server that takes LaunchDarkly's events.
type sink struct {
	bodies chan []byte
}

// newSink returns a sink, and the config of a client that sends to it.
func newSink(t testing.TB) (*sink, ld.Config) {
	s := &sink{bodies: make(chan []byte, 1000)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && r.URL.Path == "/bulk" {
			s.bodies <- body
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	return s, ld.Config{Events: ldcomponents.SendEvents(), ServiceEndpoints: interfaces.ServiceEndpoints{Events: server.URL}}
}

// events closes the client, and returns what it sent: by kind, and of the
// summaries the counted evaluations.
func (s *sink) events(t testing.TB, client *ld.LDClient) (byKind map[string][]ldvalue.Value, evaluations int) {
	t.Helper()
	require.NoError(t, client.Close()) // flushes
	byKind = map[string][]ldvalue.Value{}
	for {
		select {
		case body := <-s.bodies:
			for _, e := range ldvalue.Parse(body).AsValueArray().AsSlice() {
				kind := e.GetByKey("kind").StringValue()
				byKind[kind] = append(byKind[kind], e)
				for _, f := range e.GetByKey("features").AsValueMap().AsMap() {
					for _, c := range f.GetByKey("counters").AsValueArray().AsSlice() {
						evaluations += c.GetByKey("count").IntValue()
					}
				}
			}
		default:
			return byKind, evaluations
		}
	}
}
