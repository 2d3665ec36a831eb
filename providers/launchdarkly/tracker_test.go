package launchdarkly

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/interfaces"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func newSending(t *testing.T) (*ld.LDClient, *sink) {
	s := newSink(t)
	return newClient(t, ld.Config{DataSource: ldtestdata.DataSource(), Events: ldcomponents.SendEvents(),
		ServiceEndpoints: interfaces.ServiceEndpoints{Events: s.URL}}), s
}

func TestTrackerSendsTheWholeEvent(t *testing.T) {
	client, s := newSending(t)
	tracker := NewTracker(client, nil)
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	require.NoError(t, tracker.Track(t.Context(), core.Event{
		ID: "e1", Action: "bought", Experiment: "shop_pill", Variant: "red", Previous: "control", Key: "new", MigrationKeys: []string{"newer", "old"},
		State: core.Conditional, Source: core.SourceStored, Origin: core.SourceResolved, Degraded: true,
		Value: 9.5, Label: "l", Property: "p", Fields: map[string]any{"cents": 950}, Time: at,
	}))
	require.NoError(t, tracker.Track(t.Context(), core.Event{Action: core.ActionAssignment, Key: "new"}))
	byKind, _ := s.events(t, client)
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
	client, s := newSending(t)
	gone := errors.New("no user in this request")
	type user struct{}
	tracker := NewTracker(client, &Options{
		Kind: "user", KeyTrait: "user_id",
		EventKey: func(e core.Event) string {
			if e.Action == "noise" {
				return ""
			}
			return e.Experiment + ":" + e.Action
		},
		EventContext: func(ctx context.Context, _ core.Event) (ldcontext.Context, error) {
			switch id := ctx.Value(user{}); id {
			case nil:
				return ldcontext.Context{}, gone
			default:
				return ldcontext.New(id.(string)), nil
			}
		},
	})
	ann := context.WithValue(t.Context(), user{}, "ann")
	require.NoError(t, tracker.Track(ann, core.Event{Experiment: "pill", Action: "bought", Key: "k"}))
	require.NoError(t, tracker.Track(ann, core.Event{Experiment: "pill", Action: "noise", Key: "k"}))
	require.ErrorIs(t, tracker.Track(t.Context(), core.Event{Experiment: "pill", Action: "bought", Key: "k"}), gone)
	require.ErrorContains(t, tracker.Track(context.WithValue(t.Context(), user{}, ""), core.Event{Experiment: "pill", Action: "bought", Key: "k"}),
		`the context of event "pill:bought"`)
	byKind, _ := s.events(t, client)
	require.Len(t, byKind["custom"], 1)
	require.Equal(t, "pill:bought", byKind["custom"][0].GetByKey("key").StringValue())
	require.Equal(t, "ann", byKind["custom"][0].GetByKey("context").GetByKey("key").StringValue())
}

func TestTrackerFaults(t *testing.T) {
	client, s := newSending(t)
	require.ErrorContains(t, NewTracker(client, &Options{KeyTrait: "user_id"}).Track(t.Context(), core.Event{Action: "a", Key: "k"}),
		"KeyTrait needs EventContext")
	tracker := NewTracker(client, nil)
	require.Error(t, tracker.Track(t.Context(), core.Event{Action: "a"}), "without a key the SDK drops the event and says nothing")
	require.ErrorContains(t, tracker.Track(t.Context(), core.Event{Action: "a", Key: "k", Fields: map[string]any{"f": func() {}}}), `event "a"`)
	byKind, _ := s.events(t, client)
	require.Empty(t, byKind)
}
