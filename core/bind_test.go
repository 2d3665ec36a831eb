package core_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func bindByID(e *experiment) *core.Bound {
	return core.Bind(e, func(attrs map[string]any) (*user, error) {
		id, ok := attrs["id"].(string)
		switch {
		case !ok:
			return nil, errors.New("id is no text")
		case id == "bomb":
			panic("boom")
		}
		return &user{ID: id}, nil
	})
}

func TestBoundExperimentsRunOnAttributes(t *testing.T) {
	l := newLab(t, nil)
	_, ok := l.client.Bound("pill_color")
	require.False(t, ok)
	made := bindByID(l.exp)
	x, ok := l.client.Bound("pill_color")
	require.True(t, ok)
	require.Same(t, made, x)
	require.Equal(t, "pill_color", x.Name())
	require.Same(t, l.flag, x.Rollout())

	trial, err := x.For(map[string]any{"id": "1"})
	require.NoError(t, err)
	require.Equal(t, key(&user{ID: "1"}), trial.Assign(ctx).Key)
	value, err := trial.RunAny(ctx)
	require.NoError(t, err)
	require.Equal(t, "red!", value)
	require.NoError(t, trial.Track(ctx, clicked))
	trial.Publish(ctx)
	require.Len(t, l.events.Take(), 2, "that of the assignment, and the click")
}

func TestForAssignedEnrolsNobody(t *testing.T) {
	l := newLab(t, nil)
	x := bindByID(l.exp)
	l.exp.Assign(ctx, &user{ID: "1"})
	for _, id := range []string{"1", "2"} {
		trial, err := x.ForAssigned(map[string]any{"id": id})
		require.NoError(t, err)
		require.NoError(t, trial.Track(ctx, clicked))
	}
	events := l.events.Take()
	require.Len(t, events, 1, "only the unit that is in the experiment")
	require.Equal(t, key(&user{ID: "1"}), events[0].Key)
}

func TestAttributesThatMakeNoSubjectAreAnError(t *testing.T) {
	x := bindByID(newLab(t, nil).exp)
	for _, c := range []struct {
		says  string
		attrs map[string]any
	}{{"id is no text", nil}, {"panicked: boom", map[string]any{"id": "bomb"}}} {
		t.Run(c.says, func(t *testing.T) {
			_, err := x.For(c.attrs)
			require.ErrorContains(t, err, c.says)
			_, err = x.ForAssigned(c.attrs)
			require.ErrorContains(t, err, c.says)
		})
	}
}
