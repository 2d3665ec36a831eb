package launchdarkly

import (
	"bytes"
	"context"
	"log"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldlog"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/ldhooks"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// A watched is an SDK client with our hook, and the events that it sent.
type watched struct {
	*ld.LDClient
	experiments *core.Client
	events      []core.Event
	defs        *Definitions
	log         bytes.Buffer // the SDK's, errors
}

func newWatched(t *testing.T, o *HookOptions, flags ...ldmodel.FeatureFlag) *watched {
	w := &watched{defs: DataStore(nil)}
	var err error
	w.experiments, err = core.New(core.Config{KeySecret: make([]byte, 32), Tracker: core.TrackerFunc(func(_ context.Context, e core.Event) error {
		w.events = append(w.events, e)
		return nil
	})})
	require.NoError(t, err)
	source := ldtestdata.DataSource()
	for _, f := range flags {
		source.UsePreconfiguredFlag(f)
	}
	if o != nil && o.Definitions != nil {
		o.Definitions = w.defs
	}
	loggers := ldlog.NewDefaultLoggers()
	loggers.SetBaseLogger(log.New(&w.log, "", 0))
	w.LDClient, err = ld.MakeCustomClient("k", ld.Config{
		DataSource: source, DataStore: w.defs, Hooks: []ldhooks.Hook{NewHook(w.experiments, o)}, Events: ldcomponents.NoEvents(),
		Logging: ldcomponents.Logging().Loggers(loggers).MinLevel(ldlog.Error),
	}, watchdog)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// everything records all flags under their own keys.
func everything(flag string) string { return flag }

func TestHookRecordsTheAppsEvaluations(t *testing.T) {
	byUser := trial(0, 0, 100)
	byUser.Rollout.ContextKind = "user"
	w := newWatched(t, nil, flag("pill").Fallthrough(byUser).Build(), flag("other").FallthroughVariation(1).Build())
	ann := ldcontext.New("ann")
	v, err := w.StringVariation("pill", ann, "control")
	require.NoError(t, err)
	require.Equal(t, "red", v)
	_, err = w.StringVariation("other", ann, "control") // no experiment of LaunchDarkly's
	require.NoError(t, err)
	require.Len(t, w.events, 1)
	e := w.events[0]
	require.Equal(t, core.ActionAssignment, e.Action)
	require.Equal(t, "pill", e.Experiment)
	require.Equal(t, "red", e.Variant)
	require.Equal(t, core.Conditional, e.State)
	require.Equal(t, core.SourceResolved, e.Source)
	require.NotContains(t, e.Key, "ann")

	// The core's own event of the same assignment is the same event.
	core.MustDefine(w.experiments, core.Definition[string, string]{
		Name: "pill", Unit: core.Actor[string], Variants: []core.Variant[string, string]{{Name: "red"}},
		Rollout: core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
			return core.Decision{State: core.Conditional, Variant: "red"}, nil
		}),
	}).Publish(t.Context(), "ann")
	require.Len(t, w.events, 2)
	require.Equal(t, e.ID, w.events[1].ID)
	require.Equal(t, e.Key, w.events[1].Key)
}

func TestHookIsSilent(t *testing.T) {
	w := newWatched(t, &HookOptions{Definitions: DataStore(nil), Experiment: func(flag string) string {
		if flag == "unlisted" {
			return ""
		}
		return flag
	}},
		flag("off").On(false).Build(), flag("unlisted").FallthroughVariation(1).Build(),
		flag("outside").Fallthrough(trial(100, 0)).Build(), flag("broken").FallthroughVariation(9).Build(), split3().Build())
	ann := ldcontext.NewWithKind(DefaultKind, "ann")
	for _, name := range []string{"off", "unlisted", "outside", "broken", "missing"} {
		_, _ = w.StringVariation(name, ann, "control")
	}
	_, err := w.BoolVariation("pill", ann, false) // of another type
	require.NoError(t, err)
	require.Empty(t, w.events)

	// What the rollout evaluates is the core's to record.
	for _, exposure := range []Exposure{ExposureOurs, ExposureBoth} {
		_, err = New(w.LDClient, &Options{Exposure: exposure}).Resolve(t.Context(), request("pill", "k"))
		require.NoError(t, err)
	}
	require.Empty(t, w.events)
	_, _, err = w.StringVariationDetail("pill", ann, "control")
	require.NoError(t, err)
	require.Len(t, w.events, 1)
}

func TestHookUnits(t *testing.T) {
	w := newWatched(t, &HookOptions{Experiment: everything}, flag("pill").FallthroughVariation(1).Build())
	key := func(c ldcontext.Context) string {
		w.events = nil
		_, err := w.StringVariation("pill", c, "control")
		require.NoError(t, err)
		require.Len(t, w.events, 1, w.log.String())
		return w.events[0].Key
	}
	ann, device := ldcontext.New("ann"), ldcontext.NewWithKind("device", "d1")
	require.Equal(t, key(ann), key(ldcontext.NewMulti(device, ann)), "the user is the unit wherever there is one")
	require.NotEqual(t, key(device), key(ldcontext.New("d1")))
	org := ldcontext.NewWithKind("org", "d1")
	require.NotEqual(t, key(device), key(org))
	require.NotEqual(t, key(device), key(ldcontext.NewMulti(device, org)))
}

func TestHookValues(t *testing.T) {
	boolean := ldbuilders.NewFlagBuilder("boolean").On(true).Variations(ldvalue.Bool(false), ldvalue.Bool(true)).FallthroughVariation(1).Build()
	object := ldbuilders.NewFlagBuilder("object").On(true).FallthroughVariation(0).
		Variations(ldvalue.Parse([]byte(`{"colour":"red","size":3}`))).Build()
	number := ldbuilders.NewFlagBuilder("number").On(true).FallthroughVariation(0).Variations(ldvalue.Int(3)).Build()
	w := newWatched(t, &HookOptions{Experiment: everything, Field: "colour", Definitions: DataStore(nil)}, boolean, object, number)
	ann := ldcontext.New("ann")
	_, _ = w.BoolVariation("boolean", ann, false)
	_, _ = w.JSONVariation("object", ann, ldvalue.Null())
	require.Len(t, w.events, 2)
	require.Equal(t, core.Candidate, w.events[0].Variant)
	require.Equal(t, core.On, w.events[0].State)
	require.Equal(t, "red", w.events[1].Variant)
	require.Empty(t, w.log.String())

	v, err := w.IntVariation("number", ann, 0)
	require.NoError(t, err)
	require.Equal(t, 3, v)
	require.Contains(t, w.log.String(), `flag "number": the value 3 names no variant`)

	byOrg := flag("by-org").Fallthrough(shareBy("org", 50, 50)).Build()
	w = newWatched(t, &HookOptions{Experiment: everything, Definitions: DataStore(nil)}, byOrg)
	_, err = w.StringVariation("by-org", ann, "control")
	require.NoError(t, err)
	require.Empty(t, w.events)
	require.Contains(t, w.log.String(), `contexts of kind "org", and the unit's is "user"`)
}

func TestHookThatPanics(t *testing.T) {
	w := newWatched(t, &HookOptions{Experiment: func(string) string { panic("oops") }}, flag("pill").FallthroughVariation(1).Build())
	v, err := w.StringVariation("pill", ldcontext.New("ann"), "control")
	require.NoError(t, err)
	require.Equal(t, "red", v)
	require.Contains(t, w.log.String(), "the hook panicked: oops")

	client := newClient(t, ld.Config{DataSource: ldtestdata.DataSource().UsePreconfiguredFlag(flag("pill").FallthroughVariation(1).Build()),
		Hooks: []ldhooks.Hook{NewHook(nil, nil)}})
	v, err = client.StringVariation("pill", ldcontext.New("ann"), "control")
	require.NoError(t, err)
	require.Equal(t, "red", v, "a hook without a client does no harm")
}
