package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestRunServesValuesAndFunctions(t *testing.T) {
	l := newLab(t, nil)
	for name, want := range map[string]string{"": "grey", "red": "red!", "blue": "blue for 1"} {
		l.flag.set(core.Conditional, name)
		require.NoError(t, l.exp.Clear(ctx))
		got, err := l.exp.Run(ctx, &user{ID: "1"})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestAssignmentEventIsWhole(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) {
		c.NamePrefix = "shop"
		d.Unit = func(u *user) core.Unit { return core.Actor(u.ID).MigratedFrom(core.Actor("before")) }
	})
	l.flag.d.Reason = "SPLIT"
	start := time.Now()
	a := l.exp.Publish(ctx, &user{ID: "ada@example.com"})
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
	id := func(u string, publish func(u *user)) string { publish(&user{ID: u}); return l.events.Take()[0].ID }
	publish := func(u *user) { l.exp.Publish(ctx, u) }
	first := id("1", publish)
	require.Equal(t, first, id("1", publish))
	require.NotEqual(t, first, id("2", publish))
	require.NotEqual(t, first, id("1", func(u *user) { l.exp.For(u).AssignTo("blue").Publish(ctx) }))
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
	mine := core.Event{ID: "mine", Action: "clicked", Value: 1, Label: "l", Property: "p", Fields: map[string]any{"a": 1}, Time: at,
		Experiment: "lies", Variant: "lies", Key: "lies"}
	require.NoError(t, l.exp.Track(ctx, &user{ID: "1"}, mine))
	events := l.events.Take()
	require.Len(t, events, 1)
	want := mine
	a := l.exp.Assign(ctx, &user{ID: "1"})
	want.Experiment, want.Variant, want.Key = "pill_color", "red", a.Key
	want.State, want.Source, want.Origin = core.Conditional, core.SourceResolved, core.SourceResolved
	require.Equal(t, want, events[0])

	require.NoError(t, l.exp.Track(ctx, &user{ID: "1"}, core.Event{Action: "clicked"}))
	require.NoError(t, l.exp.Track(ctx, &user{ID: "1"}, core.Event{Action: "clicked"}))
	events = l.events.Take()
	require.NotEqual(t, events[0].ID, events[1].ID)
	require.NotEmpty(t, events[0].ID)
}

func TestTrackRefusesNoActionAndTheReservedOne(t *testing.T) {
	l := newLab(t, nil)
	require.ErrorContains(t, l.exp.Track(ctx, &user{ID: "1"}, core.Event{}), "without an action")
	require.ErrorContains(t, l.exp.Track(ctx, &user{ID: "1"}, core.Event{Action: "assignment"}), "belongs to the automatic event")
	require.Empty(t, l.events.Take())
}

func TestSignature(t *testing.T) {
	l := newLab(t, excludeSubscribed)
	s := l.exp.For(&user{ID: "1"}).Signature(ctx)
	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"variant":"red","experiment":"pill_color","key":%q}`, s.Key), string(text))
	out := l.exp.For(&user{ID: "2", Subscribed: true}).Signature(ctx)
	text, err = json.Marshal(out)
	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"variant":"control","experiment":"pill_color","key":%q,"excluded":true}`, out.Key), string(text))
}

func TestOverrideReplacesABehaviourAtOneCallSite(t *testing.T) {
	l := newLab(t, nil)
	paint := func(_ context.Context, u *user) (string, error) { return "striped " + u.ID, nil }
	got, err := l.exp.For(&user{ID: "1"}).Override("red", paint).Override("blue", nil).Run(ctx)
	require.NoError(t, err)
	require.Equal(t, "striped 1", got)
	got, err = l.exp.For(&user{ID: "1"}).Override("red", paint).Override("red", nil).Run(ctx)
	require.NoError(t, err)
	require.Equal(t, "red!", got, "nil restores")
	trial := l.exp.For(&user{ID: "1"}).Override("green", paint)
	require.ErrorIs(t, trial.Assign(ctx).Err, core.ErrUnknownVariant)
	require.Equal(t, "red", trial.Assign(ctx).Variant)
}

func TestResolvedTrialChangesNoMore(t *testing.T) {
	l := newLab(t, nil)
	trial := l.exp.For(&user{ID: "1"})
	trial.Assign(ctx)
	trial.AssignTo("blue").OnlyAssigned().Override("red", paintBlue)
	got, err := trial.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, "red!", got)
	require.Equal(t, 1, strings.Count(l.log.String(), "was resolved changes nothing"))
	e, _ := l.stands(trial.Assign(ctx))
	require.Equal(t, core.SourceResolved, e.Origin)
}

func TestOnPublishIsToldOfTheTrialsThatAPageShows(t *testing.T) {
	var told []core.Signature
	l := newLab(t, func(c *core.Config, d *definition) {
		excludeSubscribed(c, d)
		c.OnPublish = func(_ context.Context, s core.Signature) { told = append(told, s) }
		c.OptOut = func(_ context.Context, s any) bool { return s.(*user).ID == "out" }
	})
	l.exp.Assign(ctx, &user{ID: "1"})
	require.NoError(t, l.exp.Track(ctx, &user{ID: "1"}, core.Event{Action: "clicked"}))
	require.Empty(t, told, "neither Assign nor Track publishes")
	trial := l.exp.For(&user{ID: "1"})
	trial.Publish(ctx)
	_, _ = trial.Run(ctx)
	l.exp.Publish(ctx, &user{ID: "2", Subscribed: true})
	l.exp.For(&user{ID: "3"}).OnlyAssigned().Publish(ctx)
	require.Len(t, told, 3)
	require.Equal(t, []bool{false, true, true}, []bool{told[0].Excluded, told[1].Excluded, told[2].Excluded})
	l.exp.Publish(ctx, &user{ID: "out"})
	l.exp.Publish(ctx, &user{ID: ""})
	l.flag.d = core.Decision{State: core.Conditional, Outside: true}
	l.exp.Publish(ctx, &user{ID: "4"})
	l.flag.set(core.Off, "")
	l.exp.Publish(ctx, &user{ID: "1"})
	l.flag.err = errFlag
	l.exp.Publish(ctx, &user{ID: "1"})
	require.Len(t, told, 3, "off, error, opted-out, outside and no-unit are not published")
}

func TestForgetDeletesAllKeys(t *testing.T) {
	l := newLab(t, nil)
	define := func() *experiment {
		return l.define(func(_ *core.Config, d *definition) {
			d.Unit = func(u *user) core.Unit { return core.Actor(u.ID).MigratedFrom(core.Actor("before")) }
		})
	}
	e := define()
	l.assignUnit(core.Actor("before"))
	a := e.Assign(ctx, &user{ID: "1"})
	require.NoError(t, e.Forget(ctx, &user{ID: "1"}))
	l.nothingStored(a)
	l.nothingStored(core.Assignment{Experiment: "pill_color", Key: a.MigrationKeys[0]})
	l.flag.set(core.Conditional, "blue")
	require.Equal(t, "blue", e.Assign(ctx, &user{ID: "1"}).Variant)

	require.ErrorContains(t, l.exp.Forget(ctx, &user{ID: ""}), "anonymous")
	bad := l.define(func(_ *core.Config, d *definition) { d.Unit = func(*user) core.Unit { return core.UnitFromKey("x") } })
	require.ErrorContains(t, bad.Forget(ctx, &user{ID: "1"}), "hex digits")
	l.store.writeErr = errStore
	require.ErrorIs(t, e.Forget(ctx, &user{ID: "1"}), errStore)
	require.ErrorIs(t, e.Clear(ctx), errStore)
}

func TestForgetIsTheWayOutOfAManualControl(t *testing.T) {
	l := newLab(t, nil)
	u := &user{ID: "1"}
	l.exp.For(u).AssignTo("control").Assign(ctx)
	require.Equal(t, core.Control, l.exp.Assign(ctx, u).Variant)
	require.NoError(t, l.exp.Forget(ctx, u))
	require.Equal(t, "red", l.exp.Assign(ctx, u).Variant)
}

func TestClearTouchesOneExperiment(t *testing.T) {
	l := newLab(t, nil)
	other, err := core.Define(l.client, inlineDef())
	require.NoError(t, err)
	u := &user{ID: "1"}
	a, b := l.exp.Assign(ctx, u), other.Assign(ctx, u)
	require.NoError(t, l.exp.Clear(ctx))
	l.nothingStored(a)
	_, ok := l.stands(b)
	require.True(t, ok)
}

func TestTrackKey(t *testing.T) {
	l := newLab(t, excludeSubscribed)
	visited := core.Event{Action: "visited", Label: "/docs"}
	a := l.exp.Assign(ctx, &user{ID: "1"})
	require.NoError(t, l.client.TrackKey(ctx, "pill_color", strings.ToUpper(a.Key), visited))
	e := l.events.Take()[0]
	require.Equal(t, []string{"visited", "red", a.Key, "/docs"}, []string{e.Action, e.Variant, e.Key, e.Label})
	require.Equal(t, core.SourceStored, e.Source)
	require.Equal(t, core.SourceResolved, e.Origin)

	unknown := strings.Repeat("0", 64)
	for says, err := range map[string]error{
		"no experiment is called": l.client.TrackKey(ctx, "nope", a.Key, visited),
		"hex digits":              l.client.TrackKey(ctx, "pill_color", "x", visited),
		"nothing is stored":       l.client.TrackKey(ctx, "pill_color", unknown, visited),
		"without an action":       l.client.TrackKey(ctx, "pill_color", a.Key, core.Event{}),
	} {
		require.ErrorContains(t, err, says)
	}
	require.NoError(t, l.store.Store.Save(ctx, "pill_color", unknown, entry("control", core.SourceExcluded)))
	require.NoError(t, l.client.TrackKey(ctx, "pill_color", unknown, visited), "excluded is silent")
	require.NoError(t, l.store.Store.Save(ctx, "pill_color", unknown, entry("green", core.SourceResolved)))
	require.ErrorIs(t, l.client.TrackKey(ctx, "pill_color", unknown, visited), core.ErrUnknownVariant)
	l.store.loadErr = errStore
	require.ErrorIs(t, l.client.TrackKey(ctx, "pill_color", a.Key, visited), errStore)
	l.store.loadErr = nil
	l.flag.set(core.Off, "")
	require.NoError(t, l.client.TrackKey(ctx, "pill_color", a.Key, visited), "off is silent")
	l.flag.err = errFlag
	require.ErrorIs(t, l.client.TrackKey(ctx, "pill_color", a.Key, visited), errFlag)
	require.Empty(t, l.events.Take())
}
