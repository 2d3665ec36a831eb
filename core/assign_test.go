package core_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

var (
	resolved       = entry("red", core.SourceResolved)
	unknown        = entry("green", core.SourceResolved)
	exclusion      = entry("control", core.SourceExcluded)
	finalControl   = entry("control", core.SourceResolved)
	open           = openControl(&user{ID: "1"})
	openElsewhere  = core.Entry{Variant: core.Control, Origin: core.SourceResolved, Open: "ffffffff"}
	ramped         = core.Entry{Variant: "red", Previous: core.Control, Origin: core.SourceResolved}
	withRetired    = func(_ *core.Config, d *definition) { d.Retired = []string{"green"} }
	exclusionFirst = func(c *core.Config, d *definition) { excludeSubscribed(c, d); d.StickyPolicy = core.ExclusionFirst }
	sticky         = func(_ *core.Config, d *definition) { d.StickyControl = true }
	transient      = func(_ *core.Config, d *definition) { d.TransientControl = true }
	closed         = func(_ *core.Config, d *definition) { d.OnlyAssigned = true }
	optedOut       = func(c *core.Config, _ *definition) { c.OptOut = func(context.Context, any) bool { return true } }
)

// Everything that can decide, step by step: what it gives, what it wins over,
// and what it stores.
func TestDecisionOrder(t *testing.T) {
	on, off := decision(core.On, "red"), decision(core.Off, "red")
	everything := all(allowForced, excludeSubscribed, oldGetBlue)
	disabled := func(_ *core.Config, d *definition) { d.Enabled = func(context.Context) bool { return false } }
	tryAll(t, []situation{
		{name: "1 opted out beats manual, forced, stored and on", change: all(everything, optedOut), stored: resolved, flag: on,
			trial: assignTo("red"), forced: "blue", served: "control opted-out/- untracked"},

		{name: "3 off", flag: off, served: "control off/- untracked"},
		{name: "3 off beats manual and forced, and hides the entry", change: everything, stored: resolved, flag: off,
			trial: assignTo("red"), forced: "blue", served: "control off/- untracked"},
		{name: "3 Enabled says no", change: disabled, flag: on, served: "control off/- untracked"},
		{name: "3 an error beats manual and forced, and hides the entry", change: everything, stored: resolved, flagErr: errFlag,
			trial: assignTo("red"), forced: "blue", served: "control error/- untracked"},

		{name: "4 manual beats forced, stored and excluded", change: everything, stored: resolved, flag: red, who: user{Subscribed: true},
			trial: assignTo("blue"), forced: "red", served: "blue manual/manual", after: entry("blue", core.SourceManual)},
		{name: "4 manual control closes an open one", stored: open, flag: red,
			trial: assignTo("control"), served: "control manual/manual", after: entry("control", core.SourceManual)},
		{name: "4 manual replaces another origin", stored: resolved, flag: red,
			trial: assignTo("red"), served: "red manual/manual", after: entry("red", core.SourceManual)},
		{name: "4 forced beats stored and excluded", change: everything, stored: resolved, flag: red, who: user{Subscribed: true},
			forced: "blue", served: "blue forced/forced", after: entry("blue", core.SourceForced)},
		{name: "4 forced needs AllowForced", flag: red, forced: "blue", served: "red resolved/resolved", after: resolved},
		{name: "4 forced into an unknown variant is ignored", change: everything, flag: red,
			forced: "green", served: "red resolved/resolved", after: resolved},

		{name: "5 stored beats exclusions and weights", change: everything, stored: entry("blue", core.SourceForced), flag: red,
			who: user{Subscribed: true}, served: "blue stored/forced"},
		{name: "5 stored beats segments", change: everything, stored: resolved, flag: control, who: user{Old: true}, served: "red stored/resolved"},
		{name: "5 stored beats outside", stored: resolved, flag: outside, served: "red stored/resolved"},
		{name: "5 a stored control is tracked", change: everything, stored: finalControl, flag: red, who: user{Subscribed: true},
			served: "control stored/resolved"},
		{name: "5 a stored exclusion", stored: exclusion, flag: red, served: "control excluded/excluded untracked"},
		{name: "5 stored, at a call site that excludes", stored: resolved, flag: red, trial: exclude, served: "red stored/resolved untracked"},
		{name: "5 stored, of an excluded unit under ExclusionFirst", change: exclusionFirst, stored: resolved, flag: red,
			who: user{Subscribed: true}, served: "control excluded/excluded by subscribed untracked"},
		{name: "5 stored, at a call site that excludes under ExclusionFirst", change: exclusionFirst, stored: resolved, flag: red,
			trial: exclude, served: "control excluded/excluded untracked"},
		{name: "5 stored, of another unit under ExclusionFirst", change: exclusionFirst, stored: resolved, flag: red, served: "red stored/resolved"},
		{name: "5 an unknown variant is left alone", stored: unknown, flag: red, served: "control error/- untracked"},
		{name: "5 a retired variant is replaced", change: withRetired, stored: unknown, flag: red, served: "red resolved/resolved", after: resolved},

		{name: "6 only assigned, by the call", flag: red, trial: onlyAssigned, served: "control unassigned/- untracked"},
		{name: "6 only assigned, by the definition", change: closed, flag: red, served: "control unassigned/- untracked"},
		{name: "6 only assigned, and stored", change: closed, stored: resolved, flag: control, trial: onlyAssigned, served: "red stored/resolved"},

		{name: "7 excluded beats segments and on", change: everything, flag: on, who: user{Subscribed: true, Old: true},
			served: "control excluded/excluded by subscribed untracked"},
		{name: "7 excluded beats outside", change: everything, flag: outside, who: user{Subscribed: true},
			served: "control excluded/excluded by subscribed untracked"},
		{name: "7 a sticky exclusion", change: stickyExclusions, flag: red, who: user{Subscribed: true},
			served: "control excluded/excluded by subscribed untracked", after: exclusion},
		{name: "7 excluded by the call is never sticky", change: stickyExclusions, flag: red, trial: exclude,
			served: "control excluded/excluded untracked"},

		{name: "8 outside beats segments", change: everything, flag: outside, who: user{Old: true}, served: "control outside/- untracked"},
		{name: "8 segmented beats the rollout", change: everything, flag: red, who: user{Old: true},
			served: "blue segmented/segmented by old", after: entry("blue", core.SourceSegmented)},

		{name: "9 resolved", flag: red, served: "red resolved/resolved", after: resolved},
		{name: "9 on", flag: on, served: "red resolved/resolved", after: resolved},
		{name: "9 control is open", flag: control, served: "control resolved/resolved", after: open},
		{name: "9 control by its name is open", flag: decision(core.Conditional, "control"), served: "control resolved/resolved", after: open},
		{name: "9 a sticky control is final", change: sticky, flag: control, served: "control resolved/resolved", after: finalControl},
		{name: "9 a transient control is not stored", change: transient, flag: control, served: "control resolved/resolved"},
		{name: "9 a drawn control is final", flag: draws(func(context.Context) (string, error) { return "control", nil }),
			served: "control resolved/resolved", after: finalControl},
	})
}

func TestRampsMoveOpenControls(t *testing.T) {
	tryAll(t, []situation{
		{name: "conditional", stored: open, flag: red, served: "red resolved/resolved was control", after: ramped},
		{name: "on", stored: open, flag: decision(core.On, "red"), served: "red resolved/resolved was control", after: ramped},
		{name: "excluded and segmented since", change: all(excludeSubscribed, oldGetBlue), stored: open, flag: red,
			who: user{Subscribed: true, Old: true}, served: "red resolved/resolved was control", after: ramped},
		{name: "it says so from then on", stored: ramped, flag: control, served: "red stored/resolved was control"},

		{name: "not if the decision is control", stored: open, flag: control, served: "control stored/resolved"},
		{name: "not if the decision is drawn", stored: open, flag: draws(func(context.Context) (string, error) { return "red", nil }),
			served: "control stored/resolved"},
		{name: "not if the unit is outside", stored: open, flag: outside, served: "control stored/resolved"},
		{name: "not if the call enrols nobody", stored: open, flag: red, trial: onlyAssigned, served: "control stored/resolved"},
		{name: "not if the definition enrols nobody", change: closed, stored: open, flag: red, served: "control stored/resolved"},
		{name: "not if the call excludes", stored: open, flag: red, trial: exclude, served: "control stored/resolved untracked"},
		{name: "not if controls are sticky", change: sticky, stored: open, flag: red, served: "control stored/resolved"},
		{name: "not if another key decided", stored: openElsewhere, flag: red, served: "control stored/resolved"},
	})
}

func TestDecisionsThatContradictThemselvesAreErrors(t *testing.T) {
	draw := func(variant string, err error) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return variant, err }
	}
	for _, s := range []situation{
		{name: "an unknown state", flag: decision(core.On+1, "red")},
		{name: "on and no variant", flag: decision(core.On, "")},
		{name: "on and control", flag: decision(core.On, "control")},
		{name: "on and outside", flag: core.Decision{State: core.On, Variant: "red", Outside: true}},
		{name: "on and drawn", flag: core.Decision{State: core.On, Choose: draw("red", nil)}},
		{name: "an unknown variant", flag: decision(core.Conditional, "green")},
		{name: "an unknown variant drawn", flag: draws(draw("green", nil))},
		{name: "a draw that fails", flag: draws(draw("", errFlag))},
	} {
		t.Run(s.name, func(t *testing.T) {
			s.served = "control error/- untracked"
			_, a := s.try(t)
			var re *core.RolloutError
			require.ErrorAs(t, a.Err, &re)
			require.Equal(t, "pill_color", re.Experiment)
		})
	}
}

func TestUnknownVariantsAreErrorsOfTheAssignment(t *testing.T) {
	_, a := situation{flag: red, trial: assignTo("green"), served: "red resolved/resolved", after: resolved}.try(t)
	require.ErrorIs(t, a.Err, core.ErrUnknownVariant)
	require.ErrorContains(t, a.Err, `"green"`)
	_, a = situation{flag: red, trial: assignTo("green"), loadErr: errStore, served: "red resolved/resolved"}.try(t)
	require.ErrorIs(t, a.Err, core.ErrUnknownVariant)
	require.ErrorIs(t, a.Err, errStore, "both")
	_, a = situation{stored: unknown, flag: red, served: "control error/- untracked"}.try(t)
	require.ErrorIs(t, a.Err, core.ErrUnknownVariant)
}

func TestWhoIsOptedOutOrNobodyIsNotAskedFor(t *testing.T) {
	for _, c := range []struct {
		name   string
		change change
		u      *user
		served string
	}{
		{"opted out", optedOut, &user{ID: "1"}, "control opted-out/- untracked"},
		{"no subject", nil, nobody, "control no-unit/- untracked"},
		{"anonymous without a scope", nil, &user{ID: ""}, "control no-unit/- untracked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, c.change)
			a := l.exp.Publish(ctx, c.u)
			serves(t, a, c.served)
			require.NoError(t, a.Err)
			require.Empty(t, a.Key)
			require.Empty(t, l.events.Take())
			require.Zero(t, l.flag.asked+l.store.loads+l.store.writes)
		})
	}
}

func TestRolloutIsAskedOncePerTrial(t *testing.T) {
	for _, c := range []struct {
		name   string
		stored core.Entry
		served string
	}{{"fresh", core.Entry{}, "red resolved/resolved"}, {"stored", resolved, "red stored/resolved"}} {
		t.Run(c.name, func(t *testing.T) {
			l, _ := situation{stored: c.stored, flag: red, served: c.served, after: resolved}.try(t)
			require.Equal(t, 1, l.flag.asked)
		})
	}
	t.Run("Enabled says no", func(t *testing.T) {
		l := newLab(t, func(_ *core.Config, d *definition) { d.Enabled = func(context.Context) bool { return false } })
		serves(t, l.exp.Assign(ctx, &user{ID: "1"}), "control off/- untracked")
		require.Zero(t, l.flag.asked)
	})
}

func TestRequestCarriesKeyVariantsAndTraitsOnly(t *testing.T) {
	l := newLab(t, all(unit(core.Actor("ada@example.com").Traits(core.Int("age", 40))),
		func(c *core.Config, _ *definition) { c.NamePrefix = "shop" }))
	a := l.exp.Assign(ctx, nobody)
	require.Equal(t, core.Request{Experiment: "shop_pill_color", Key: a.Key, Current: a.Key,
		Variants: []string{"control", "red", "blue"}, Traits: []core.Attr{core.Int("age", 40)}}, l.flag.last)
}

func TestManualAndForcedAreWrittenOnlyWhereTheyDiffer(t *testing.T) {
	for _, s := range []situation{
		{name: "manual", stored: entry("blue", core.SourceManual), flag: red, trial: assignTo("blue"), served: "blue manual/manual"},
		{name: "forced", stored: entry("blue", core.SourceForced), flag: red, change: allowForced, forced: "blue", served: "blue forced/forced"},
	} {
		t.Run(s.name, func(t *testing.T) {
			l, _ := s.try(t)
			require.Zero(t, l.store.writes)
		})
	}
}

func TestForcedByTheFullNameTheLatestWins(t *testing.T) {
	blue := core.WithForced(ctx, "shop_pill_color", "blue")
	for _, c := range []struct {
		name   string
		ctx    context.Context
		served string
	}{
		{"by the full name", blue, "blue forced/forced"},
		{"by the bare name", core.WithForced(ctx, "pill_color", "blue"), "red resolved/resolved"},
		{"beside another experiment", core.WithForced(blue, "shop_other", "x"), "blue forced/forced"},
		{"twice", core.WithForced(blue, "shop_pill_color", "red"), "red forced/forced"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, all(allowForced, func(c *core.Config, _ *definition) { c.NamePrefix = "shop" }))
			a := l.exp.Assign(c.ctx, &user{ID: "1"})
			serves(t, a, c.served)
			require.NoError(t, a.Err)
		})
	}
}

func TestAssignTrackAndPublishStoreAsRunDoes(t *testing.T) {
	for _, c := range []struct {
		name string
		call func(*experiment, *user)
	}{
		{"Assign", func(e *experiment, u *user) { e.Assign(ctx, u) }},
		{"Publish", func(e *experiment, u *user) { e.Publish(ctx, u) }},
		{"Track", func(e *experiment, u *user) { _ = e.Track(ctx, u, clicked) }},
		{"Run", func(e *experiment, u *user) { _, _ = e.Run(ctx, u) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, nil)
			c.call(l.exp, &user{ID: "1"})
			serves(t, l.exp.Assign(ctx, &user{ID: "1"}), "red stored/resolved")
		})
	}
}
