package launchdarkly

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldattr"
	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// newClient returns a client that talks to nobody but what cfg says.
func newClient(t testing.TB, cfg ld.Config) *ld.LDClient {
	t.Helper()
	if cfg.Events == nil {
		cfg.Events = ldcomponents.NoEvents()
	}
	cfg.Logging = ldcomponents.NoLogging()
	cfg.DiagnosticOptOut = true
	client, err := ld.MakeCustomClient("sdk-key", cfg, watchdog)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// newSilentClient returns a client that waits for flags that never come.
func newSilentClient(t testing.TB) *ld.LDClient {
	t.Helper()
	client, err := ld.MakeCustomClient("sdk-key", ld.Config{DataSource: mute{}, Events: ldcomponents.NoEvents(),
		Logging: ldcomponents.NoLogging()}, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// mute is a data source that has nothing to say.
type mute struct{}

func (mute) Build(subsystems.ClientContext) (subsystems.DataSource, error) { return mute{}, nil }
func (mute) IsInitialized() bool                                           { return false }
func (mute) Start(chan<- struct{})                                         {}
func (mute) Close() error                                                  { return nil }

// watchdog bounds what should take no time at all.
const watchdog = 30 * time.Second

// flagsOf returns a client that has the flags, and its definitions.
func flagsOf(t testing.TB, flags ...ldmodel.FeatureFlag) (*ld.LDClient, *Definitions, *ldtestdata.TestDataSource) {
	t.Helper()
	source := ldtestdata.DataSource()
	for _, f := range flags {
		source.UsePreconfiguredFlag(f)
	}
	defs := DataStore(nil)
	return newClient(t, ld.Config{DataSource: source, DataStore: defs}), defs, source
}

var colours = []ldvalue.Value{ldvalue.String("control"), ldvalue.String("red"), ldvalue.String("blue")}

// flag returns a builder of a flag that is on, with the variations control, red
// and blue.
func flag(key string) *ldbuilders.FlagBuilder {
	return ldbuilders.NewFlagBuilder(key).On(true).Variations(colours...).OffVariation(0).Salt("salt").FallthroughVariation(0)
}

// split3 is a flag with three variations at 34, 33 and 33 %.
func split3() *ldbuilders.FlagBuilder { return flag("pill").Fallthrough(share(34, 33, 33)) }

// share is a rollout by units, with the weights of variations 0, 1, ... in
// percent.
func share(percent ...int) ldmodel.VariationOrRollout { return shareBy(DefaultKind, percent...) }

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
	v.Rollout.ContextKind = DefaultKind
	return v
}

func buckets(percent []int) []ldmodel.WeightedVariation {
	var all []ldmodel.WeightedVariation
	for i, p := range percent {
		all = append(all, ldbuilders.Bucket(i, p*1000))
	}
	return all
}

func request(name, key string, traits ...core.Attr) core.Request {
	return core.Request{Experiment: name, Key: key, Variants: []string{core.Control, "red", "blue"}, Traits: traits}
}

// sink is a server that takes LaunchDarkly's events.
type sink struct {
	*httptest.Server
	bodies chan []byte
}

func newSink(t testing.TB) *sink {
	s := &sink{bodies: make(chan []byte, 1000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && r.URL.Path == "/bulk" {
			s.bodies <- body
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	return s
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

func attrRef(name string) ldattr.Ref { return ldattr.NewLiteralRef(name) }

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
