package core

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTrackAssignment(t *testing.T) {
	var got []Event
	var lost error
	c, err := New(Config{
		KeySecret: make([]byte, minSecret),
		Logger:    slog.New(slog.DiscardHandler),
		Rollout:   RolloutFunc(func(context.Context, Request) (Decision, error) { return Decision{State: On, Variant: "red"}, nil }),
		Tracker: TrackerFunc(func(_ context.Context, e Event) error {
			got = append(got, e)
			return lost
		}),
	})
	require.NoError(t, err)
	unit := func(id string) Unit { return Actor(id) }
	e := MustDefine(c, Definition[string, int]{Name: "pill", Unit: unit, Variants: []Variant[string, int]{{Name: "red"}, {Name: "blue"}}})

	observe := func(name string, u Unit, d Decision) ([]Event, error) {
		got = nil
		err := c.TrackAssignment(t.Context(), name, u, d)
		return got, err
	}

	t.Run("is the event that the core sends itself", func(t *testing.T) {
		got = nil
		_, _ = e.Run(t.Context(), "ann")
		own := got
		seen, err := observe("pill", Actor("ann"), Decision{State: On, Variant: "red"})
		require.NoError(t, err)
		require.Len(t, seen, 1)
		seen[0].Time = own[0].Time
		require.Equal(t, own, seen)
	})
	t.Run("an unselected unit is a tracked control", func(t *testing.T) {
		seen, err := observe("pill", Actor("ann"), Decision{State: Conditional})
		require.NoError(t, err)
		require.Equal(t, Control, seen[0].Variant)
		require.Equal(t, SourceResolved, seen[0].Origin)
	})
	for name, d := range map[string]Decision{
		"off":     {State: Off, Variant: "red"},
		"outside": {State: Conditional, Outside: true, Variant: "red"},
	} {
		t.Run(name+" sends nothing", func(t *testing.T) {
			seen, err := observe("pill", Actor("ann"), d)
			require.NoError(t, err)
			require.Empty(t, seen)
		})
	}
	t.Run("a visitor sends nothing", func(t *testing.T) {
		seen, err := observe("pill", Actor(""), Decision{State: On, Variant: "red"})
		require.NoError(t, err)
		require.Empty(t, seen)
	})
	t.Run("an experiment need not be defined", func(t *testing.T) {
		seen, err := observe("elsewhere", Actor("ann"), Decision{State: Conditional, Variant: "green"})
		require.NoError(t, err)
		require.Equal(t, "green", seen[0].Variant)
		seen, err = observe("elsewhere", Actor("ann"), Decision{State: On, Variant: AnyVariant})
		require.NoError(t, err)
		require.Equal(t, Candidate, seen[0].Variant)
	})
	for name, f := range map[string]struct {
		experiment string
		unit       Unit
		d          Decision
		want       string
	}{
		"name":          {"Not A Name", Actor("ann"), Decision{State: On, Variant: "red"}, `"Not A Name" is no name of an experiment`},
		"unit":          {"pill", NewUnit(String("", "x")), Decision{State: On, Variant: "red"}, "core: experiment pill: an attribute of the unit has no name"},
		"variant":       {"pill", Actor("ann"), Decision{State: On, Variant: "green"}, `unknown variant "green"`},
		"variant name":  {"elsewhere", Actor("ann"), Decision{State: On, Variant: "<green>"}, `unknown variant "<green>"`},
		"on, control":   {"pill", Actor("ann"), Decision{State: On}, "with control"},
		"not drawn yet": {"pill", Actor("ann"), Decision{Choose: func(context.Context) (string, error) { return "", nil }}, "yet to be drawn"},
	} {
		t.Run(name+" is an error", func(t *testing.T) {
			seen, err := observe(f.experiment, f.unit, f.d)
			require.ErrorContains(t, err, f.want)
			require.Empty(t, seen)
		})
	}
	t.Run("a tracker that fails", func(t *testing.T) {
		lost = errors.New("full")
		_, err := observe("pill", Actor("ann"), Decision{State: On, Variant: "red"})
		require.ErrorIs(t, err, lost)
		require.Equal(t, uint64(1), c.Stats().EventsLost)
	})
}
