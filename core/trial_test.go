package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestRunServesValuesAndFunctions(t *testing.T) {
	for _, c := range []struct{ variant, want string }{{"control", "grey"}, {"red", "red!"}, {"blue", "blue for 1"}} {
		t.Run(c.variant, func(t *testing.T) {
			l := newLab(t, nil)
			l.flag.set(core.Conditional, c.variant)
			got, err := l.exp.Run(ctx, &user{ID: "1"})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestSignature(t *testing.T) {
	l := newLab(t, excludeSubscribed)
	for _, c := range []struct {
		u    *user
		want string
	}{
		{&user{ID: "1"}, `{"variant":"red","experiment":"pill_color","key":%q}`},
		{&user{ID: "2", Subscribed: true}, `{"variant":"control","experiment":"pill_color","key":%q,"excluded":true}`},
	} {
		text, err := json.Marshal(l.exp.For(c.u).Signature(ctx))
		require.NoError(t, err)
		require.JSONEq(t, fmt.Sprintf(c.want, key(c.u)), string(text))
	}
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
	a := l.exp.For(&user{ID: "1"}).Override("green", paint).Assign(ctx)
	require.ErrorIs(t, a.Err, core.ErrUnknownVariant)
	require.Equal(t, "red", a.Variant)
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
	require.Equal(t, core.SourceResolved, l.stored(trial.Assign(ctx)).Origin)
}

func TestOnPublishIsToldOfTheTrialsThatAPageShows(t *testing.T) {
	var told []core.Signature
	l := newLab(t, all(excludeSubscribed, func(c *core.Config, _ *definition) {
		c.OnPublish = func(_ context.Context, s core.Signature) { told = append(told, s) }
		c.OptOut = func(_ context.Context, s any) bool { return s.(*user).ID == "out" }
	}))
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
	l := newLab(t, unit(core.Actor("1").MigratedFrom(core.Actor("before"))))
	l.assignUnit(core.Actor("before"))
	a := l.exp.Assign(ctx, nobody)
	require.Equal(t, core.SourceStored, a.Source)
	require.NoError(t, l.exp.Forget(ctx, nobody))
	require.Zero(t, l.stored(a))
	require.Zero(t, l.stored(core.Assignment{Experiment: "pill_color", Key: a.MigrationKeys[0]}))
	l.store.writeErr = errStore
	require.ErrorIs(t, l.exp.Forget(ctx, nobody), errStore)
	require.ErrorIs(t, l.exp.Clear(ctx), errStore)

	require.ErrorContains(t, l.define(nil).Forget(ctx, nobody), "anonymous")
	require.ErrorContains(t, l.define(unit(core.UnitFromKey("x"))).Forget(ctx, nobody), "hex digits")
}

func TestClearTouchesOneExperiment(t *testing.T) {
	l := newLab(t, nil)
	other, err := core.Define(l.client, inlineDef())
	require.NoError(t, err)
	u := &user{ID: "1"}
	a, b := l.exp.Assign(ctx, u), other.Assign(ctx, u)
	require.NoError(t, l.exp.Clear(ctx))
	require.Zero(t, l.stored(a))
	require.Equal(t, "red", l.stored(b).Variant)
}
