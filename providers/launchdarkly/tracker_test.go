package launchdarkly_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

// newSending returns a system whose events go to the sink.
func newSending(t *testing.T) (*system, *sink) {
	sink, cfg := newSink(t)
	return newSystem(t, cfg), sink
}

func TestTrackerSendsTheWholeEvent(t *testing.T) {
	s, sink := newSending(t)
	tracker := launchdarkly.NewTracker(s.LDClient, nil)
	require.NoError(t, tracker.Track(t.Context(), core.Event{
		ID: "e1", Action: "bought", Experiment: "shop_pill", Variant: "red", Previous: "control", Key: "new", MigrationKeys: []string{"newer", "old"},
		State: core.Conditional, Source: core.SourceStored, Origin: core.SourceResolved, Degraded: true,
		Value: 9.5, Label: "l", Property: "p", Fields: map[string]any{"cents": 950}, Time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
	}))
	require.NoError(t, tracker.Track(t.Context(), core.Event{Action: core.ActionAssignment, Key: "new"}))
	byKind, _ := sink.events(t, s.LDClient)
	require.Len(t, byKind["custom"], 2)
	bought, assigned := byKind["custom"][0], byKind["custom"][1]
	require.Equal(t, "bought", bought.GetByKey("key").StringValue())
	require.Equal(t, 9.5, bought.GetByKey("metricValue").Float64Value())
	require.JSONEq(t, `{"kind":"experiment-unit","key":"old"}`, bought.GetByKey("context").JSONString(), "the key that was evaluated")
	require.JSONEq(t, `{"id":"e1","action":"bought","experiment":"shop_pill","variant":"red","previous":"control","key":"new",
		"migration_keys":["newer","old"],"state":"conditional","source":"stored","origin":"resolved","degraded":true,
		"value":9.5,"label":"l","property":"p","fields":{"cents":950},"time":"2026-11-22T10:00:00Z"}`, bought.GetByKey("data").JSONString())
	require.True(t, assigned.GetByKey("metricValue").IsNull())
	require.Equal(t, "new", assigned.GetByKey("context").GetByKey("key").StringValue())
}

func TestTrackerOptions(t *testing.T) {
	s, sink := newSending(t)
	gone := errors.New("no user in this request")
	type user struct{}
	tracker := launchdarkly.NewTracker(s.LDClient, &launchdarkly.Options{
		Kind: "user", KeyTrait: "user_id",
		EventKey: func(e core.Event) string {
			if e.Action == "noise" {
				return ""
			}
			return e.Experiment + ":" + e.Action
		},
		EventContext: func(ctx context.Context, _ core.Event) (ldcontext.Context, error) {
			id, ok := ctx.Value(user{}).(string)
			if !ok {
				return ldcontext.Context{}, gone
			}
			return ldcontext.New(id), nil
		},
	})
	as := func(id string) context.Context { return context.WithValue(t.Context(), user{}, id) }
	bought := core.Event{Experiment: "pill", Action: "bought", Key: "k"}
	require.NoError(t, tracker.Track(as("ann"), bought))
	require.NoError(t, tracker.Track(as("ann"), core.Event{Experiment: "pill", Action: "noise", Key: "k"}))
	require.ErrorIs(t, tracker.Track(t.Context(), bought), gone)
	require.ErrorContains(t, tracker.Track(as(""), bought), `the context of event "pill:bought"`)
	byKind, _ := sink.events(t, s.LDClient)
	require.Len(t, byKind["custom"], 1)
	require.Equal(t, "pill:bought", byKind["custom"][0].GetByKey("key").StringValue())
	require.Equal(t, "ann", byKind["custom"][0].GetByKey("context").GetByKey("key").StringValue())
}

func TestTrackerFaults(t *testing.T) {
	s, sink := newSending(t)
	byUser := launchdarkly.NewTracker(s.LDClient, &launchdarkly.Options{KeyTrait: "user_id"})
	require.ErrorContains(t, byUser.Track(t.Context(), core.Event{Action: "a", Key: "k"}), "KeyTrait needs EventContext")
	tracker := launchdarkly.NewTracker(s.LDClient, nil)
	require.Error(t, tracker.Track(t.Context(), core.Event{Action: "a"}), "without a key the SDK drops the event and says nothing")
	require.ErrorContains(t, tracker.Track(t.Context(), core.Event{Action: "a", Key: "k", Fields: map[string]any{"f": func() {}}}), `event "a"`)
	byKind, _ := sink.events(t, s.LDClient)
	require.Empty(t, byKind)
}

// newReporting returns an experiment whose events all go to LaunchDarkly.
func newReporting(t *testing.T, exposure launchdarkly.Exposure) (*core.Experiment[string, string], *system, *sink) {
	sink, cfg := newSink(t)
	s := newSystem(t, cfg)
	return pill(t, core.Config{
		Rollout: s.rollout(launchdarkly.Options{Exposure: exposure}),
		Tracker: launchdarkly.NewTracker(s.LDClient, &launchdarkly.Options{Exposure: exposure}),
		Store:   memstore.New(nil),
	}), s, sink
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

// What leaves for each choice: ten units with two trials each, one of them with
// a click, and one unit that is excluded.
func TestExposures(t *testing.T) {
	const units = 10
	for exposure, c := range []struct{ evaluations, assignments int }{
		launchdarkly.ExposureOurs:         {0, 2 * units},
		launchdarkly.ExposureLaunchDarkly: {2*units + 1, 0},
		launchdarkly.ExposureBoth:         {2*units + 1, 2 * units},
	} {
		t.Run(launchdarkly.Exposure(exposure).String(), func(t *testing.T) {
			e, s, sink := newReporting(t, launchdarkly.Exposure(exposure))
			s.put(flag("pill").Fallthrough(trial(0, 34, 33, 33)).Build())
			e.Publish(t.Context(), "eve")
			for i := range units {
				trial := e.For(strconv.Itoa(i))
				require.NoError(t, trial.Publish(t.Context()).Err)
				require.NoError(t, trial.Track(t.Context(), core.Event{Action: "clicked", Value: 0}))
				require.Equal(t, core.SourceStored, e.Publish(t.Context(), strconv.Itoa(i)).Source)
			}
			byKind, evaluations := sink.events(t, s.LDClient)
			require.Len(t, byKind["feature"], c.evaluations)
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

// LaunchDarkly counts today's evaluation, our event names the variant served.
func TestStoredVariantThatDiffersFromTodaysEvaluation(t *testing.T) {
	e, s, sink := newReporting(t, launchdarkly.ExposureBoth)
	for _, variation := range []int{1, 2} {
		s.put(flag("pill").FallthroughVariation(variation).TrackEvents(true).Build())
		e.Publish(t.Context(), "ann")
	}
	byKind, _ := sink.events(t, s.LDClient)
	ours, theirs := custom(byKind, core.ActionAssignment), byKind["feature"]
	require.Len(t, ours, 2)
	require.Len(t, theirs, 2)
	require.Equal(t, "blue", theirs[1].GetByKey("value").StringValue())
	data := ours[1].GetByKey("data")
	require.Equal(t, "red", data.GetByKey("variant").StringValue())
	require.Equal(t, "stored", data.GetByKey("source").StringValue())
	require.Equal(t, theirs[1].GetByKey("context").GetByKey("key").StringValue(),
		ours[1].GetByKey("context").GetByKey("key").StringValue(), "the key joins them")
}
