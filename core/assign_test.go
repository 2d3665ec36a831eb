package core_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// The tests of this file follow the decision order, step by step. Each checks
// what the step gives, whether it is tracked, what it stores, and what it wins
// over.

func TestOptedOutBeatsEverything(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) {
		c.OptOut = func(_ context.Context, s any) bool { return s.(*user).ID == "out" }
		c.AllowForced = true
		d.Unit = func(*user) core.Unit { return core.Actor("same key") }
	})
	out := &user{ID: "out"}
	in := l.exp.Assign(ctx, &user{ID: "in"})
	require.Equal(t, "red", in.Variant)
	l.flag.set(core.On, "red")
	a := l.exp.For(out).AssignTo("red").Assign(core.WithForced(ctx, "pill_color", "blue"))
	require.Equal(t, core.SourceOptedOut, a.Source)
	require.Equal(t, core.Control, a.Variant)
	require.False(t, a.Tracked)
	l.untracked(l.exp, out)
	e, ok := l.stands(in)
	require.True(t, ok)
	require.Equal(t, "red", e.Variant)
}

func TestOptedOutAsksNoFlagAndStoresNothing(t *testing.T) {
	l := newLab(t, func(c *core.Config, _ *definition) { c.OptOut = func(context.Context, any) bool { return true } })
	l.untracked(l.exp, &user{ID: "1"})
	require.Zero(t, l.flag.asked)
	require.Zero(t, l.store.loads+l.store.writes)
}

func TestAnonymousVisitorWithoutAScopeIsNoUnit(t *testing.T) {
	l := newLab(t, nil)
	for _, u := range []*user{nil, {ID: ""}} {
		a := l.untracked(l.exp, u)
		require.Equal(t, core.SourceNoUnit, a.Source)
		require.NoError(t, a.Err)
		require.Empty(t, a.Key)
	}
	require.Zero(t, l.flag.asked)
	require.Zero(t, l.store.loads+l.store.writes)
}

func TestOffIsAnUntrackedControlAndLeavesTheEntry(t *testing.T) {
	l := newLab(t, nil)
	u := &user{ID: "1"}
	before := l.tracked(l.exp, u)
	l.flag.set(core.Off, "")
	a := l.untracked(l.exp, u)
	require.Equal(t, core.SourceOff, a.Source)
	require.Equal(t, core.Off, a.State)
	l.flag.set(core.Conditional, "blue")
	after := l.tracked(l.exp, u)
	require.Equal(t, core.SourceStored, after.Source)
	require.Equal(t, before.Variant, after.Variant)
}

func TestOffStoresNothingForANewUnit(t *testing.T) {
	l := newLab(t, nil)
	l.flag.set(core.Off, "red") // the variant of an off flag means nothing
	l.nothingStored(l.untracked(l.exp, &user{ID: "1"}))
}

func TestEnabledFalseIsOffAndAsksNoFlag(t *testing.T) {
	enabled := false
	l := newLab(t, func(_ *core.Config, d *definition) { d.Enabled = func(context.Context) bool { return enabled } })
	a := l.untracked(l.exp, &user{ID: "1"})
	require.Equal(t, core.SourceOff, a.Source)
	require.Zero(t, l.flag.asked)
	enabled = true
	require.Equal(t, "red", l.tracked(l.exp, &user{ID: "1"}).Variant)
}

func TestRolloutIsAskedOncePerTrialStoredHitsIncluded(t *testing.T) {
	l := newLab(t, nil)
	for range 2 {
		l.flag.asked = 0
		trial := l.exp.For(&user{ID: "1"})
		_, err := trial.Run(ctx)
		require.NoError(t, err)
		require.NoError(t, trial.Track(ctx, core.Event{Action: "clicked"}))
		trial.Publish(ctx)
		trial.Signature(ctx)
		require.Equal(t, 1, l.flag.asked)
	}
}

func TestRequestCarriesKeyVariantsAndTraitsOnly(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) {
		c.NamePrefix = "shop"
		d.Unit = func(u *user) core.Unit { return core.Actor(u.ID).Traits(core.Int("age", 40)) }
	})
	a := l.exp.Assign(ctx, &user{ID: "ada@example.com"})
	require.Equal(t, core.Request{Experiment: "shop_pill_color", Key: a.Key, Current: a.Key,
		Variants: []string{"control", "red", "blue"}, Traits: []core.Attr{core.Int("age", 40)}}, l.flag.last)
}

func TestManualWinsOverForcedStoredExcludedAndRollout(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) { c.AllowForced = true; excludeSubscribed(c, d) })
	u := &user{ID: "1", Subscribed: true}
	l.seed(l.exp, u, entry("red", core.SourceResolved))
	forced := core.WithForced(ctx, "pill_color", "red")
	a := l.exp.For(u).AssignTo("blue").Assign(forced)
	require.Equal(t, core.SourceManual, a.Source)
	require.Equal(t, "blue", a.Variant)
	require.True(t, a.Tracked)
	e, _ := l.stands(a)
	require.Equal(t, entry("blue", core.SourceManual), e)
	again := l.tracked(l.exp, u)
	require.Equal(t, core.SourceStored, again.Source)
	require.Equal(t, core.SourceManual, again.Origin)
}

func TestManualControlClosesAnOpenControl(t *testing.T) {
	l := newLab(t, nil)
	u := &user{ID: "1"}
	l.flag.set(core.Conditional, "")
	open, _ := l.stands(l.exp.Assign(ctx, u))
	require.False(t, open.Final)
	a := l.exp.For(u).AssignTo("control").Assign(ctx)
	e, _ := l.stands(a)
	require.Equal(t, entry("control", core.SourceManual), e)
	l.flag.set(core.Conditional, "red")
	require.Equal(t, core.Control, l.tracked(l.exp, u).Variant)
}

func TestManualIsWrittenOnlyWhereItDiffers(t *testing.T) {
	l := newLab(t, nil)
	u := &user{ID: "1"}
	l.exp.For(u).AssignTo("blue").Assign(ctx)
	writes := l.store.writes
	l.exp.For(u).AssignTo("blue").Assign(ctx)
	require.Equal(t, writes, l.store.writes)
	l.seed(l.exp, u, entry("blue", core.SourceResolved))
	l.exp.For(u).AssignTo("blue").Assign(ctx)
	require.Equal(t, writes+1, l.store.writes, "another source differs")
}

func TestManualToAnUnknownVariantIsSkippedWithAnError(t *testing.T) {
	l := newLab(t, nil)
	a := l.exp.For(&user{ID: "1"}).AssignTo("green").Assign(ctx)
	require.Equal(t, core.SourceResolved, a.Source)
	require.Equal(t, "red", a.Variant)
	require.ErrorIs(t, a.Err, core.ErrUnknownVariant)
	require.ErrorContains(t, a.Err, `"green"`)
}

func TestForcedWinsOverStoredAndExcluded(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) { c.AllowForced = true; excludeSubscribed(c, d) })
	u := &user{ID: "1", Subscribed: true}
	l.seed(l.exp, u, entry("red", core.SourceResolved))
	a := l.exp.Assign(core.WithForced(ctx, "pill_color", "blue"), u)
	require.Equal(t, core.SourceForced, a.Source)
	require.Equal(t, "blue", a.Variant)
	require.True(t, a.Tracked)
	e, _ := l.stands(a)
	require.Equal(t, entry("blue", core.SourceForced), e)
}

func TestForcedNeedsAllowForced(t *testing.T) {
	l := newLab(t, nil)
	a := l.exp.Assign(core.WithForced(ctx, "pill_color", "blue"), &user{ID: "1"})
	require.Equal(t, core.SourceResolved, a.Source)
	require.Equal(t, "red", a.Variant)
}

func TestForcedByFullNameLatestWinsUnknownIsIgnored(t *testing.T) {
	l := newLab(t, func(c *core.Config, _ *definition) { c.AllowForced = true; c.NamePrefix = "shop" })
	for name, want := range map[string]core.Source{"pill_color": core.SourceResolved, "shop_pill_color": core.SourceForced} {
		a := l.exp.Assign(core.WithForced(ctx, name, "blue"), &user{ID: name})
		require.Equal(t, want, a.Source, name)
	}
	a := l.exp.Assign(core.WithForced(ctx, "shop_pill_color", "green"), &user{ID: "2"})
	require.Equal(t, core.SourceResolved, a.Source)
	require.NoError(t, a.Err)
	both := core.WithForced(core.WithForced(ctx, "shop_pill_color", "blue"), "shop_other", "x")
	require.Equal(t, "blue", l.exp.Assign(both, &user{ID: "3"}).Variant)
	require.Equal(t, "red", l.exp.Assign(core.WithForced(both, "shop_pill_color", "red"), &user{ID: "4"}).Variant)
}

func TestManualAndForcedNeverBeatOffOrAnError(t *testing.T) {
	l := newLab(t, func(c *core.Config, _ *definition) { c.AllowForced = true })
	forced := core.WithForced(ctx, "pill_color", "blue")
	for _, fail := range []error{nil, errFlag} {
		l.flag.d, l.flag.err = core.Decision{}, fail
		for _, a := range []core.Assignment{
			l.exp.Assign(forced, &user{ID: "1"}),
			l.exp.For(&user{ID: "1"}).AssignTo("blue").Assign(ctx),
		} {
			require.Equal(t, core.Control, a.Variant)
			require.False(t, a.Tracked)
			l.nothingStored(a)
		}
	}
}

func TestStoredWinsOverExclusionSegmentAndWeights(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) {
		excludeSubscribed(c, d)
		d.Segments = []core.Segment[*user]{{Name: "old", If: old, Into: "blue"}}
	})
	u := &user{ID: "1"}
	first := l.tracked(l.exp, u)
	require.Equal(t, core.SourceStored, first.Source) // Run stored it
	require.Equal(t, core.SourceResolved, first.Origin)
	l.flag.set(core.Conditional, "blue")
	for _, u := range []*user{{ID: "1", Subscribed: true}, {ID: "1", Old: true}, u} {
		a := l.tracked(l.exp, u)
		require.Equal(t, "red", a.Variant)
		require.Equal(t, core.SourceStored, a.Source)
	}
}

func TestStoredControlStaysTrackedWhenTheUnitIsExcludedLater(t *testing.T) {
	l := newLab(t, excludeSubscribed)
	l.flag.set(core.Conditional, "")
	l.tracked(l.exp, &user{ID: "1"})
	a := l.tracked(l.exp, &user{ID: "1", Subscribed: true})
	require.Equal(t, core.Control, a.Variant)
	require.Equal(t, core.SourceStored, a.Source)
}

func TestExclusionFirstHidesTheEntryAndLeavesIt(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) { excludeSubscribed(c, d); d.StickyPolicy = core.ExclusionFirst })
	a := l.tracked(l.exp, &user{ID: "1"})
	require.Equal(t, "red", a.Variant)
	out := l.untracked(l.exp, &user{ID: "1", Subscribed: true})
	require.Equal(t, core.SourceExcluded, out.Source)
	require.Equal(t, "subscribed", out.Rule)
	require.True(t, out.Excluded)
	inline := l.exp.For(&user{ID: "1"}).Exclude().Assign(ctx)
	require.Equal(t, core.SourceExcluded, inline.Source)
	require.Equal(t, core.Control, inline.Variant)
	require.Equal(t, "red", l.tracked(l.exp, &user{ID: "1"}).Variant)
}

func TestStoredUnknownVariantIsLeftAlone(t *testing.T) {
	l := newLab(t, nil)
	u := &user{ID: "1"}
	l.seed(l.exp, u, entry("green", core.SourceResolved))
	a := l.untracked(l.exp, u)
	require.Equal(t, core.SourceError, a.Source)
	require.ErrorIs(t, a.Err, core.ErrUnknownVariant)
	e, _ := l.stands(a)
	require.Equal(t, "green", e.Variant)
}

func TestRetiredVariantCountsAsAbsentAndIsReplaced(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) { d.Retired = []string{"green"} })
	u := &user{ID: "1"}
	l.seed(l.exp, u, entry("green", core.SourceResolved))
	a := l.exp.Assign(ctx, u)
	require.Equal(t, core.SourceResolved, a.Source)
	require.Equal(t, "red", a.Variant)
	e, _ := l.stands(a)
	require.Equal(t, entry("red", core.SourceResolved), e)
}

func TestRetiredVariantThatAnOlderReleaseClaimsFirstIsReplaced(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) { d.Retired = []string{"green"} })
	a := l.exp.For(&user{ID: "1"}).OnlyAssigned().Assign(ctx)
	l.store.beforeClaim = func() {
		require.NoError(t, l.store.Store.Save(ctx, a.Experiment, a.Key, entry("green", core.SourceResolved)))
	}
	a = l.exp.Assign(ctx, &user{ID: "1"})
	require.Equal(t, "red", a.Variant)
	e, ok := l.stands(a)
	require.True(t, ok)
	require.Equal(t, "red", e.Variant)
}

func TestRetiredVariantUnderTheNewestKeyStopsTheSearch(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Retired = []string{"green"}
		d.Unit = func(u *user) core.Unit { return core.Actor(u.ID).MigratedFrom(core.Actor("before")) }
	})
	u := &user{ID: "1"}
	probe := l.exp.For(u).OnlyAssigned().Assign(ctx)
	require.NoError(t, l.store.Store.Save(ctx, "pill_color", probe.Key, entry("green", core.SourceResolved)))
	require.NoError(t, l.store.Store.Save(ctx, "pill_color", probe.MigrationKeys[0], entry("blue", core.SourceResolved)))
	require.Equal(t, "red", l.exp.Assign(ctx, u).Variant)
}
