package launchdarkly_test

import (
	"context"
	"log"
	"strings"
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
	"github.com/rolloutkit/rolloutkit/internal/logbook"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

// A watched is a system with our hook, the events that it sent, and the errors
// that the SDK logged.
type watched struct {
	*system
	experiments *core.Client
	events      tracking.Recorder
	log         logbook.Book
}

// newWatched has a hook that sees definitions where seeing says so.
func newWatched(t *testing.T, o launchdarkly.HookOptions, seeing bool, flags ...ldmodel.FeatureFlag) *watched {
	w := &watched{system: &system{source: ldtestdata.DataSource(), defs: launchdarkly.DataStore(nil)}}
	var err error
	w.experiments, err = core.New(core.Config{KeySecret: make([]byte, 32), Tracker: &w.events})
	require.NoError(t, err)
	if seeing {
		o.Definitions = w.defs
	}
	loggers := ldlog.NewDefaultLoggers()
	loggers.SetBaseLogger(log.New(&w.log, "", 0))
	w.put(flags...)
	w.start(t, ld.Config{Hooks: []ldhooks.Hook{launchdarkly.NewHook(w.experiments, &o)},
		Logging: ldcomponents.Logging().Loggers(loggers).MinLevel(ldlog.Error)})
	return w
}

// ask evaluates a text flag and returns the events.
func (w *watched) ask(t *testing.T, flag string, c ldcontext.Context) []core.Event {
	t.Helper()
	_, _ = w.StringVariation(flag, c, "control")
	return w.events.Take()
}

func everything(flag string) string { return flag }

var ann = ldcontext.New("ann")

func TestHookRecordsTheAppsEvaluations(t *testing.T) {
	byUser := trial(0, 0, 100)
	byUser.Rollout.ContextKind = "user"
	w := newWatched(t, launchdarkly.HookOptions{}, false, flag("pill").Fallthrough(byUser).Build(), redFlag("other"))
	require.Empty(t, w.ask(t, "other", ann), "no experiment of LaunchDarkly's")
	events := w.ask(t, "pill", ann)
	require.Len(t, events, 1)
	e := events[0]
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
	events = w.events.Take()
	require.Len(t, events, 1)
	require.Equal(t, e.ID, events[0].ID)
	require.Equal(t, e.Key, events[0].Key)
}

func TestHookIsSilent(t *testing.T) {
	listed := func(flag string) string { return strings.TrimPrefix(flag, "unlisted") }
	w := newWatched(t, launchdarkly.HookOptions{Experiment: listed}, true, flag("off").On(false).Build(), redFlag("unlisted"),
		flag("outside").Fallthrough(trial(100, 0)).Build(), flag("broken").FallthroughVariation(9).Build(), split3())
	unit := ldcontext.NewWithKind(launchdarkly.DefaultKind, "ann")
	for _, name := range []string{"off", "unlisted", "outside", "broken", "missing"} {
		require.Empty(t, w.ask(t, name, unit), name)
	}
	_, err := w.BoolVariation("pill", unit, false)
	require.NoError(t, err)
	require.Empty(t, w.events.Take(), "of another type")
	for _, exposure := range []launchdarkly.Exposure{launchdarkly.ExposureOurs, launchdarkly.ExposureBoth} {
		resolve(t, launchdarkly.New(w.LDClient, &launchdarkly.Options{Exposure: exposure}), "pill", "k")
		require.Empty(t, w.events.Take(), "what the rollout evaluates is the core's to record")
	}
	require.Len(t, w.ask(t, "pill", unit), 1)
}

func TestHookUnits(t *testing.T) {
	w := newWatched(t, launchdarkly.HookOptions{Experiment: everything}, false, redFlag("pill"))
	key := func(c ldcontext.Context) string {
		events := w.ask(t, "pill", c)
		require.Len(t, events, 1, w.log.String())
		return events[0].Key
	}
	device, org := ldcontext.NewWithKind("device", "d1"), ldcontext.NewWithKind("org", "d1")
	require.Equal(t, key(ann), key(ldcontext.NewMulti(device, ann)), "the user is the unit wherever there is one")
	require.NotEqual(t, key(device), key(ldcontext.New("d1")))
	require.NotEqual(t, key(device), key(org))
	require.NotEqual(t, key(device), key(ldcontext.NewMulti(device, org)))
}

func TestHookValues(t *testing.T) {
	of := func(key string, value ldvalue.Value) ldmodel.FeatureFlag {
		return ldbuilders.NewFlagBuilder(key).On(true).FallthroughVariation(1).Variations(ldvalue.Null(), value).Build()
	}
	w := newWatched(t, launchdarkly.HookOptions{Experiment: everything, Field: "colour"}, true,
		of("boolean", ldvalue.Bool(true)), of("object", ldvalue.Parse([]byte(`{"colour":"red","size":3}`))), of("number", ldvalue.Int(3)))
	_, _ = w.BoolVariation("boolean", ann, false)
	_, _ = w.JSONVariation("object", ann, ldvalue.Null())
	events := w.events.Take()
	require.Len(t, events, 2)
	require.Equal(t, core.Candidate, events[0].Variant)
	require.Equal(t, core.On, events[0].State)
	require.Equal(t, "red", events[1].Variant)
	require.Empty(t, w.log.String())

	v, err := w.IntVariation("number", ann, 0)
	require.NoError(t, err)
	require.Equal(t, 3, v)
	require.Contains(t, w.log.String(), `flag "number": the value 3 names no variant`)
}

func TestHookThatFails(t *testing.T) {
	boom := func(string) string { panic("oops") }
	for want, c := range map[string]struct {
		o    launchdarkly.HookOptions
		flag ldmodel.FeatureFlag
	}{
		"the hook panicked: oops":                          {launchdarkly.HookOptions{Experiment: boom}, redFlag("pill")},
		`contexts of kind "org", and the unit's is "user"`: {launchdarkly.HookOptions{Experiment: everything}, flag("pill").Fallthrough(shareBy("org", 0, 50, 50)).Build()},
	} {
		t.Run(want, func(t *testing.T) {
			w := newWatched(t, c.o, true, c.flag)
			v, err := w.StringVariation("pill", ann, "control")
			require.NoError(t, err)
			require.Equal(t, "red", v)
			require.Empty(t, w.events.Take())
			require.Contains(t, w.log.String(), want)
		})
	}
	t.Run("without a core.Client", func(t *testing.T) {
		s := newSystem(t, ld.Config{Hooks: []ldhooks.Hook{launchdarkly.NewHook(nil, nil)}}, redFlag("pill"))
		v, err := s.StringVariation("pill", ann, "control")
		require.NoError(t, err)
		require.Equal(t, "red", v)
	})
}
