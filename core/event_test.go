package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestAssignmentEventIsWhole(t *testing.T) {
	l := newLab(t, all(unit(core.Actor("ada@example.com").MigratedFrom(core.Actor("before"))),
		func(c *core.Config, _ *definition) { c.NamePrefix = "shop" }))
	l.flag.d.Reason = "SPLIT"
	start := time.Now()
	a := l.exp.Publish(ctx, nobody)
	require.Equal(t, "SPLIT", a.Reason)
	e := l.events.Take()[0]
	require.Len(t, e.ID, 32)
	require.False(t, e.Time.Before(start))
	e.ID, e.Time = "", time.Time{}
	require.Equal(t, core.Event{Action: "assignment", Experiment: "shop_pill_color", Variant: "red", Key: a.Key, MigrationKeys: a.MigrationKeys,
		State: core.Conditional, Source: core.SourceResolved, Origin: core.SourceResolved}, e)
	text, err := json.Marshal(e)
	require.NoError(t, err)
	require.Contains(t, string(text), `"value":0`)
	require.Contains(t, string(text), `"source":"resolved"`)
	require.NotContains(t, string(text), "example.com")
}

func TestAssignmentEventRepeatsWithTheSameID(t *testing.T) {
	l := newLab(t, nil)
	id := func(trial *core.Trial[*user, string]) string { trial.Publish(ctx); return l.events.Take()[0].ID }
	first := id(l.exp.For(&user{ID: "1"}))
	require.Equal(t, first, id(l.exp.For(&user{ID: "1"})))
	require.NotEqual(t, first, id(l.exp.For(&user{ID: "2"})))
	require.NotEqual(t, first, id(l.exp.For(&user{ID: "1"}).AssignTo("blue")))
}

func TestAssignmentEventGoesOutOncePerTrial(t *testing.T) {
	l := newLab(t, nil)
	trial := l.exp.For(&user{ID: "1"})
	trial.Assign(ctx)
	trial.Signature(ctx)
	require.Empty(t, l.events.Take(), "assigning is silent")
	for range 3 {
		_, err := trial.Run(ctx)
		require.NoError(t, err)
		trial.Publish(ctx)
	}
	require.Len(t, l.events.Take(), 1)
}

func TestTrackSendsItsOwnEventOnly(t *testing.T) {
	l := newLab(t, nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := core.Event{ID: "mine", Action: "clicked", Value: 1, Label: "l", Property: "p", Fields: map[string]any{"a": 1}, Time: at,
		Experiment: "lies", Variant: "lies", Key: "lies"}
	u := &user{ID: "1"}
	require.NoError(t, l.exp.Track(ctx, u, want))
	want.Experiment, want.Variant, want.Key = "pill_color", "red", key(u)
	want.State, want.Source, want.Origin = core.Conditional, core.SourceResolved, core.SourceResolved
	require.Equal(t, []core.Event{want}, l.events.Take())

	require.NoError(t, l.exp.Track(ctx, u, core.Event{Action: "clicked"}))
	require.NoError(t, l.exp.Track(ctx, u, core.Event{Action: "clicked"}))
	events := l.events.Take()
	require.NotEqual(t, events[0].ID, events[1].ID)
	require.NotEmpty(t, events[0].ID)

	require.ErrorContains(t, l.exp.Track(ctx, u, core.Event{}), "without an action")
	require.ErrorContains(t, l.exp.Track(ctx, u, core.Event{Action: "assignment"}), "belongs to the automatic event")
	require.Empty(t, l.events.Take())
}

var clicked = core.Event{Action: "clicked", Label: "/docs"}

func TestTrackKey(t *testing.T) {
	l := newLab(t, nil)
	a := l.exp.Assign(ctx, &user{ID: "1"})
	require.NoError(t, l.client.TrackKey(ctx, "pill_color", strings.ToUpper(a.Key), clicked))
	e := l.events.Take()[0]
	require.Equal(t, []string{"clicked", "red", a.Key, "/docs"}, []string{e.Action, e.Variant, e.Key, e.Label})
	require.Equal(t, core.SourceStored, e.Source)
	require.Equal(t, core.SourceResolved, e.Origin)
}

func TestTrackKeySendsNothing(t *testing.T) {
	green := entry("green", core.SourceResolved)
	for _, c := range []struct {
		name            string
		experiment, key string
		event           core.Event
		change          func(*lab)
		says            string // "" for no error
	}{
		{"of no experiment", "nope", "", clicked, nil, "no experiment is called"},
		{"for what is no key", "pill_color", "x", clicked, nil, "hex digits"},
		{"for a unit that is not stored", "pill_color", strings.Repeat("0", 64), clicked, nil, "nothing is stored"},
		{"without an action", "pill_color", "", core.Event{}, nil, "without an action"},
		{"for an exclusion", "pill_color", "", clicked, func(l *lab) { l.seed(&user{ID: "1"}, entry("control", core.SourceExcluded)) }, ""},
		{"for an unknown variant", "pill_color", "", clicked, func(l *lab) { l.seed(&user{ID: "1"}, green) }, "unknown variant"},
		{"while the store fails", "pill_color", "", clicked, func(l *lab) { l.store.loadErr = errStore }, errStore.Error()},
		{"while the experiment is off", "pill_color", "", clicked, func(l *lab) { l.flag.set(core.Off, "") }, ""},
		{"while the flag system fails", "pill_color", "", clicked, func(l *lab) { l.flag.err = errFlag }, errFlag.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, nil)
			unitKey := l.exp.Assign(ctx, &user{ID: "1"}).Key
			if c.key != "" {
				unitKey = c.key
			}
			if c.change != nil {
				c.change(l)
			}
			err := l.client.TrackKey(ctx, c.experiment, unitKey, c.event)
			if c.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.says)
			}
			require.Empty(t, l.events.Take())
		})
	}
}

func TestTrackEntryCountsWhereTheStoreHasNone(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	a := l.exp.Assign(b.page(), nobody)
	red := entry("red", core.SourceResolved)
	require.NoError(t, l.client.TrackEntry(ctx, "pill_color", a.Key, red, clicked))
	events := l.events.Take()
	require.Len(t, events, 1)
	require.Equal(t, "red", events[0].Variant)
	require.Equal(t, core.SourceResolved, events[0].Origin)
	require.Zero(t, l.store.writes)

	require.NoError(t, l.store.Save(ctx, "pill_color", a.Key, entry("blue", core.SourceManual)))
	require.NoError(t, l.client.TrackEntry(ctx, "pill_color", a.Key, red, clicked))
	require.Equal(t, "blue", l.events.Take()[0].Variant, "the store knows better")
	require.ErrorContains(t, l.client.TrackEntry(ctx, "nowhere", a.Key, red, clicked), "nowhere")
}

func TestTrackAssignmentSendsTheEventThatTheCoreSends(t *testing.T) {
	l := newLab(t, nil)
	l.exp.Publish(ctx, &user{ID: "1"})
	own := l.events.Take()
	require.NoError(t, l.client.TrackAssignment(ctx, "pill_color", core.Actor("1"), core.Decision{State: core.Conditional, Variant: "red"}))
	seen := l.events.Take()
	require.Len(t, seen, 1)
	seen[0].Time = own[0].Time
	require.Equal(t, own, seen)
}

func TestTrackAssignment(t *testing.T) {
	ann, red := core.Actor("ann"), core.Decision{State: core.On, Variant: "red"}
	for _, c := range []struct {
		name       string
		experiment string
		unit       core.Unit
		d          core.Decision
		variant    string // "" for no event
		says       string // "" for no error
	}{
		{"an unselected unit is a tracked control", "pill_color", ann, core.Decision{State: core.Conditional}, core.Control, ""},
		{"off sends nothing", "pill_color", ann, core.Decision{State: core.Off, Variant: "red"}, "", ""},
		{"outside sends nothing", "pill_color", ann, core.Decision{State: core.Conditional, Outside: true, Variant: "red"}, "", ""},
		{"a visitor sends nothing", "pill_color", core.Actor(""), red, "", ""},
		{"an experiment need not be defined", "elsewhere", ann, core.Decision{State: core.Conditional, Variant: "green"}, "green", ""},
		{"nor its variants", "elsewhere", ann, core.Decision{State: core.On, Variant: core.AnyVariant}, core.Candidate, ""},
		{"a name that is none", "Not A Name", ann, red, "", `"Not A Name" is no name of an experiment`},
		{"a unit fault", "pill_color", core.NewUnit(core.String("", "x")), red, "", "core: experiment pill_color: an attribute of the unit has no name"},
		{"an unknown variant", "pill_color", ann, core.Decision{State: core.On, Variant: "green"}, "", `unknown variant "green"`},
		{"a variant that can't be one", "elsewhere", ann, core.Decision{State: core.On, Variant: "<green>"}, "", `unknown variant "<green>"`},
		{"on and control", "pill_color", ann, core.Decision{State: core.On}, "", "with control"},
		{"not drawn yet", "pill_color", ann, core.Decision{Choose: func(context.Context) (string, error) { return "", nil }}, "", "yet to be drawn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, nil)
			err := l.client.TrackAssignment(ctx, c.experiment, c.unit, c.d)
			if c.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.says)
			}
			events := l.events.Take()
			require.Equal(t, c.variant != "", len(events) == 1)
			for _, e := range events {
				require.Equal(t, c.variant, e.Variant)
				require.Equal(t, core.SourceResolved, e.Origin)
			}
		})
	}
	t.Run("a tracker that fails", func(t *testing.T) {
		l := newLab(t, nil)
		l.events.Err = errors.New("full")
		require.ErrorIs(t, l.client.TrackAssignment(ctx, "pill_color", ann, red), l.events.Err)
		require.EqualValues(t, 1, l.client.Stats().EventsLost)
	})
}

// What hooks record outside of trials goes out once per request too, beside the
// trials' own, and not at all where nobody may be tracked.
func TestTrackAssignmentOncePerRequest(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	page := b.page()
	seen := func(ctx context.Context) int {
		require.NoError(t, l.client.TrackAssignment(ctx, "pill_color", core.Actor("anna"), core.Decision{State: core.Conditional, Variant: "red"}))
		return len(l.events.Take())
	}
	require.Equal(t, 1, seen(page))
	require.Zero(t, seen(page))
	l.exp.Publish(page, &user{ID: "anna"})
	require.Empty(t, l.events.Take(), "the same event")
	require.Equal(t, 1, seen(b.page()), "another request")
	b.silent = true
	require.Zero(t, seen(b.page()))
	require.Equal(t, 1, seen(ctx), "without a request")
}

func TestStatesAreWords(t *testing.T) {
	for _, c := range []struct {
		state core.State
		word  string
	}{{core.Off, "off"}, {core.Conditional, "conditional"}, {core.On, "on"}} {
		t.Run(c.word, func(t *testing.T) {
			require.Equal(t, c.word, c.state.String())
			require.Equal(t, c.state != core.Off, c.state.Enabled())
			text, err := c.state.MarshalText()
			require.NoError(t, err)
			var back core.State
			require.NoError(t, back.UnmarshalText(text))
			require.Equal(t, c.state, back)
		})
	}
	require.Equal(t, "State(7)", core.State(7).String())
	var s core.State
	require.ErrorContains(t, s.UnmarshalText([]byte("maybe")), "off, conditional and on")
	require.Zero(t, s, "the zero State is Off")
}

func TestCapabilitiesAreListedOnce(t *testing.T) {
	seen := map[core.Capability]bool{}
	for _, c := range core.Capabilities() {
		require.False(t, seen[c])
		seen[c] = true
	}
	require.Len(t, seen, 9)
}
