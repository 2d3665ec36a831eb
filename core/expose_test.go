package core_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestExposedExperimentsRunOnAttributes(t *testing.T) {
	l := newLab(t, nil)
	_, ok := l.client.Exposed("pill_color")
	require.False(t, ok)
	made := core.Expose(l.exp, func(attrs map[string]any) (*user, error) {
		id, ok := attrs["id"].(string)
		if !ok {
			return nil, errors.New("id is no text")
		}
		if id == "bomb" {
			panic("boom")
		}
		return &user{ID: id}, nil
	})
	x, ok := l.client.Exposed("pill_color")
	require.True(t, ok)
	require.Same(t, made, x)
	require.Equal(t, "pill_color", x.Name())
	require.Same(t, l.flag, x.Rollout())

	attrs := map[string]any{"id": "1"}
	a, err := x.Assign(ctx, attrs)
	require.NoError(t, err)
	require.Equal(t, l.exp.Assign(ctx, &user{ID: "1"}).Key, a.Key)
	value, a, err := x.Run(ctx, attrs)
	require.NoError(t, err)
	require.Equal(t, "red!", value)
	require.Equal(t, "red", a.Variant)
	require.NoError(t, x.Track(ctx, attrs, core.Event{Action: "clicked"}))
	_, err = x.Publish(ctx, attrs)
	require.NoError(t, err)
	require.Len(t, l.events.Take(), 3)

	require.NoError(t, x.TrackAssigned(ctx, attrs, core.Event{Action: "bought"}))
	require.NoError(t, x.TrackAssigned(ctx, map[string]any{"id": "2"}, core.Event{Action: "bought"}))
	events := l.events.Take()
	require.Len(t, events, 1, "only the unit that is in the experiment")
	require.Equal(t, a.Key, events[0].Key)
	l.nothingStored(l.exp.For(&user{ID: "2"}).OnlyAssigned().Assign(ctx))

	for says, attrs := range map[string]map[string]any{"id is no text": nil, "panicked: boom": {"id": "bomb"}} {
		_, err := x.Assign(ctx, attrs)
		require.ErrorContains(t, err, says)
		_, _, err = x.Run(ctx, attrs)
		require.ErrorContains(t, err, says)
		_, err = x.Publish(ctx, attrs)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, x.Track(ctx, attrs, core.Event{Action: "clicked"}), says)
		require.ErrorContains(t, x.TrackAssigned(ctx, attrs, core.Event{Action: "clicked"}), says)
	}
}

func TestClientTellsWhatItKnows(t *testing.T) {
	l := newLab(t, nil)
	require.Equal(t, []string{"control", "red", "blue"}, l.client.Variants("pill_color"))
	require.Nil(t, l.client.Variants("elsewhere"))
	l.client.Logger().Info("for the client's log")
	require.Contains(t, l.log.String(), "for the client's log")
}
