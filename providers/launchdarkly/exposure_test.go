package launchdarkly

import (
	"context"
	"strconv"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/interfaces"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// A reporting is an experiment whose events all go to LaunchDarkly.
type reporting struct {
	*core.Experiment[string, string]
	client *ld.LDClient
	source *ldtestdata.TestDataSource
	sink   *sink
}

func newReporting(t *testing.T, exposure Exposure, excluded string) *reporting {
	s, source, defs := newSink(t), ldtestdata.DataSource(), DataStore(nil)
	client := newClient(t, ld.Config{
		DataSource: source, DataStore: defs, Events: ldcomponents.SendEvents(),
		ServiceEndpoints: interfaces.ServiceEndpoints{Events: s.URL},
	})
	o := &Options{Exposure: exposure, Definitions: defs}
	experiments, err := core.New(core.Config{Rollout: New(client, o), Tracker: NewTracker(client, o),
		Store: memstore.New(nil), KeySecret: make([]byte, 32)})
	require.NoError(t, err)
	e := core.MustDefine(experiments, core.Definition[string, string]{
		Name: "pill", Unit: core.Actor[string], Variants: []core.Variant[string, string]{{Name: "red"}, {Name: "blue"}},
		Exclusions: []core.Rule[string]{{Name: "staff", If: func(_ context.Context, id string) bool { return id == excluded }}},
	})
	return &reporting{e, client, source, s}
}

// custom returns those of the custom events that have the given key.
func custom(byKind map[string][]ldvalue.Value, key string) (found []ldvalue.Value) {
	for _, e := range byKind["custom"] {
		if e.GetByKey("key").StringValue() == key {
			found = append(found, e)
		}
	}
	return found
}

// TestExposures counts what leaves for each choice: ten units with two trials
// each, one of them with a click, and one unit that is excluded.
func TestExposures(t *testing.T) {
	const units = 10
	for _, c := range []struct {
		exposure                           Exposure
		features, evaluations, assignments int
	}{
		{exposure: ExposureOurs, features: 0, evaluations: 0, assignments: 2 * units},
		{exposure: ExposureLaunchDarkly, features: 2*units + 1, evaluations: 2*units + 1, assignments: 0},
		{exposure: ExposureBoth, features: 2*units + 1, evaluations: 2*units + 1, assignments: 2 * units},
	} {
		t.Run(c.exposure.String(), func(t *testing.T) {
			r := newReporting(t, c.exposure, "eve")
			r.source.UsePreconfiguredFlag(flag("pill").Fallthrough(trial(0, 34, 33, 33)).Build())
			_, err := r.Run(t.Context(), "eve")
			require.NoError(t, err)
			for i := range units {
				trial := r.For(strconv.Itoa(i))
				_, err := trial.Run(t.Context())
				require.NoError(t, err)
				require.NoError(t, trial.Track(t.Context(), core.Event{Action: "clicked", Value: 0}))
				_, err = r.Run(t.Context(), strconv.Itoa(i)) // a stored hit
				require.NoError(t, err)
			}
			byKind, evaluations := r.sink.events(t, r.client)
			require.Len(t, byKind["feature"], c.features)
			require.Equal(t, c.evaluations, evaluations)
			require.Len(t, custom(byKind, core.ActionAssignment), c.assignments)
			clicks := custom(byKind, "clicked")
			require.Len(t, clicks, units)
			for _, e := range clicks {
				require.Equal(t, ldvalue.NumberType, e.GetByKey("metricValue").Type(), "0 is a value")
				require.Zero(t, e.GetByKey("metricValue").IntValue())
			}
			for _, e := range byKind["feature"] {
				require.True(t, e.GetByKey("reason").GetByKey("inExperiment").BoolValue(), "LaunchDarkly counts by that")
			}
		})
	}
}

// TestStoredVariantThatDiffersFromTodaysEvaluation: LaunchDarkly counts today's,
// our event names the one served.
func TestStoredVariantThatDiffersFromTodaysEvaluation(t *testing.T) {
	r := newReporting(t, ExposureBoth, "")
	for _, variation := range []int{1, 2} {
		r.source.UsePreconfiguredFlag(flag("pill").
			FallthroughVariation(variation).TrackEvents(true).Build())
		_, err := r.Run(t.Context(), "ann")
		require.NoError(t, err)
	}
	byKind, _ := r.sink.events(t, r.client)
	ours := custom(byKind, core.ActionAssignment)
	require.Len(t, ours, 2)
	require.Len(t, byKind["feature"], 2)
	require.Equal(t, "blue", byKind["feature"][1].GetByKey("value").StringValue())
	data := ours[1].GetByKey("data")
	require.Equal(t, "red", data.GetByKey("variant").StringValue())
	require.Equal(t, "stored", data.GetByKey("source").StringValue())
	require.Equal(t, byKind["feature"][1].GetByKey("context").GetByKey("key").StringValue(),
		ours[1].GetByKey("context").GetByKey("key").StringValue(), "the key joins them")
}
