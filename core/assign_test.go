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
	require.Equal(t, core.Request{Experiment: "shop_pill_color", Key: a.Key,
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

func TestOnlyAssignedEnrolsNobody(t *testing.T) {
	for name, assign := range map[string]func(*lab, *user) core.Assignment{
		"per call": func(l *lab, u *user) core.Assignment { return l.exp.For(u).OnlyAssigned().Assign(ctx) },
		"per definition": func(l *lab, u *user) core.Assignment {
			return l.define(func(_ *core.Config, d *definition) { d.OnlyAssigned = true }).Assign(ctx, u)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			u := &user{ID: "1"}
			a := assign(l, u)
			require.Equal(t, core.SourceUnassigned, a.Source)
			require.Equal(t, core.Control, a.Variant)
			require.False(t, a.Tracked)
			require.True(t, a.Excluded)
			l.nothingStored(a)
			l.exp.Assign(ctx, u)
			a = assign(l, u)
			require.Equal(t, core.SourceStored, a.Source)
			require.Equal(t, "red", a.Variant)
			require.True(t, a.Tracked)
		})
	}
}

func TestExcludedByTheFirstRuleThatMatchesSharedOnesFirst(t *testing.T) {
	var asked []string
	rule := func(name string, match bool) core.Rule[*user] {
		return core.Rule[*user]{Name: name, If: func(context.Context, *user) bool { asked = append(asked, name); return match }}
	}
	l := newLab(t, func(c *core.Config, d *definition) {
		c.Exclusions = []core.Rule[any]{{Name: "shared", If: func(context.Context, any) bool { asked = append(asked, "shared"); return false }}}
		d.Exclusions = []core.Rule[*user]{rule("first", false), rule("second", true), rule("third", true)}
		d.Segments = []core.Segment[*user]{{Name: "segment", Into: "blue", If: func(context.Context, *user) bool { asked = append(asked, "segment"); return true }}}
	})
	l.flag.set(core.On, "red")
	a := l.exp.Assign(ctx, &user{ID: "1"})
	require.Equal(t, core.SourceExcluded, a.Source)
	require.Equal(t, "second", a.Rule)
	require.True(t, a.Excluded)
	require.Equal(t, []string{"shared", "first", "second"}, asked)
	l.nothingStored(l.untracked(l.exp, &user{ID: "1"}))
}

func TestRulesGetTheSubjectAsGivenNilIncluded(t *testing.T) {
	var got []*user
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Unit = func(*user) core.Unit { return core.NewUnit() }
		d.Exclusions = []core.Rule[*user]{{If: func(_ context.Context, u *user) bool { got = append(got, u); return true }}}
	})
	a := l.exp.Assign(ctx, nil)
	require.Equal(t, []*user{nil}, got)
	require.Equal(t, "exclusion 1", a.Rule)
}

func TestInlineExclusionIsNeverStored(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) { d.StickyExclusions = true })
	a := l.exp.For(&user{ID: "1"}).Exclude().Assign(ctx)
	require.Equal(t, core.SourceExcluded, a.Source)
	require.Empty(t, a.Rule)
	l.nothingStored(a)
}

func TestStickyExclusionsOutliveTheRule(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) { excludeSubscribed(c, d); d.StickyExclusions = true })
	a := l.untracked(l.exp, &user{ID: "1", Subscribed: true})
	e, _ := l.stands(a)
	require.Equal(t, entry("control", core.SourceExcluded), e)
	later := l.untracked(l.exp, &user{ID: "1"})
	require.Equal(t, core.SourceExcluded, later.Source)
	require.True(t, later.Excluded)
}

func TestExcludeAfterResolvingOnlyStopsEvents(t *testing.T) {
	l := newLab(t, nil)
	trial := l.exp.For(&user{ID: "1"})
	require.Equal(t, "red", trial.Assign(ctx).Variant)
	trial.Exclude()
	a := trial.Publish(ctx)
	require.Equal(t, "red", a.Variant)
	require.False(t, a.Tracked)
	require.NoError(t, trial.Track(ctx, core.Event{Action: "clicked"}))
	require.Empty(t, l.events.take())
}

func TestExcludeWithAStoredEntryServesItWithoutEvents(t *testing.T) {
	l := newLab(t, nil)
	u := &user{ID: "1"}
	l.exp.Assign(ctx, u)
	trial := l.exp.For(u).Exclude()
	got, err := trial.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, "red!", got)
	require.NoError(t, trial.Track(ctx, core.Event{Action: "clicked"}))
	require.Empty(t, l.events.take())
	a := trial.Assign(ctx)
	require.Equal(t, core.SourceStored, a.Source)
	require.False(t, a.Tracked)
}

func TestOutsideComesBeforeSegmentsAndAfterExclusions(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) {
		excludeSubscribed(c, d)
		d.Segments = []core.Segment[*user]{{Name: "old", If: old, Into: "blue"}}
	})
	l.flag.d = core.Decision{State: core.Conditional, Outside: true, Variant: "red"}
	a := l.untracked(l.exp, &user{ID: "1", Old: true})
	require.Equal(t, core.SourceOutside, a.Source)
	require.False(t, a.Excluded)
	l.nothingStored(a)
	require.Equal(t, core.SourceExcluded, l.exp.Assign(ctx, &user{ID: "1", Subscribed: true}).Source)
}

func TestOutsideDoesNotHideWhatIsStored(t *testing.T) {
	l := newLab(t, nil)
	l.exp.Assign(ctx, &user{ID: "1"})
	l.flag.d = core.Decision{State: core.Conditional, Outside: true}
	require.Equal(t, "red", l.tracked(l.exp, &user{ID: "1"}).Variant)
}

func TestSegmentsWinOverTheRolloutAndAreFinal(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Segments = []core.Segment[*user]{{Name: "vip", If: vip, Into: "control"}, {Name: "old", If: old, Into: "blue"}, {Name: "all", If: old, Into: "red"}}
	})
	a := l.exp.Assign(ctx, &user{ID: "1", Old: true})
	require.Equal(t, core.SourceSegmented, a.Source)
	require.Equal(t, "blue", a.Variant)
	require.Equal(t, "old", a.Rule)
	require.True(t, a.Tracked)
	e, _ := l.stands(a)
	require.Equal(t, entry("blue", core.SourceSegmented), e)

	control := l.exp.Assign(ctx, &user{ID: "2", VIP: true})
	require.Equal(t, core.Control, control.Variant)
	e, _ = l.stands(control)
	require.Equal(t, entry("control", core.SourceSegmented), e)
	l.flag.set(core.On, "red")
	require.Equal(t, core.Control, l.tracked(l.exp, &user{ID: "2"}).Variant, "a segmented control is final")
}

func TestResolvedControlIsTrackedAndStored(t *testing.T) {
	for _, name := range []string{"", "control"} {
		l := newLab(t, nil)
		l.flag.set(core.Conditional, name)
		a := l.exp.Assign(ctx, &user{ID: "1"})
		require.Equal(t, core.SourceResolved, a.Source)
		require.True(t, a.Tracked)
		e, _ := l.stands(a)
		require.Equal(t, core.Entry{Variant: "control", Origin: core.SourceResolved, Under: a.Key[:8]}, e)
	}
}

func TestRampMovesOpenControlsAndSaysSo(t *testing.T) {
	l := newLab(t, nil)
	u := &user{ID: "1"}
	l.flag.set(core.Conditional, "")
	l.exp.Assign(ctx, u)
	for _, on := range []core.State{core.Conditional, core.On} {
		l.seed(l.exp, u, core.Entry{Variant: "control", Origin: core.SourceResolved, Under: l.exp.Assign(ctx, u).Key[:8]})
		l.flag.set(on, "blue")
		moved := l.exp.Assign(ctx, u)
		require.Equal(t, "blue", moved.Variant)
		require.Equal(t, core.SourceResolved, moved.Source)
		require.Equal(t, core.Control, moved.Previous)
		l.flag.set(core.Conditional, "red")
		hit := l.exp.Assign(ctx, u)
		require.Equal(t, "blue", hit.Variant)
		require.Equal(t, core.SourceStored, hit.Source)
		require.Equal(t, core.Control, hit.Previous)
		require.Equal(t, core.SourceResolved, hit.Origin)
	}
}

func TestOpenControlStaysWhere(t *testing.T) {
	conditional := func(d core.Decision) core.Decision { d.State = core.Conditional; return d }
	cases := map[string]struct {
		d      core.Decision
		change func(*core.Config, *definition)
		trial  func(*core.Trial[*user, string])
		under  string
	}{
		"the decision is control":      {d: conditional(core.Decision{})},
		"the decision is drawn":        {d: conditional(core.Decision{Choose: func(context.Context) (string, error) { return "red", nil }})},
		"the unit is outside":          {d: conditional(core.Decision{Variant: "red", Outside: true})},
		"the call enrols nobody":       {d: conditional(core.Decision{Variant: "red"}), trial: func(t *core.Trial[*user, string]) { t.OnlyAssigned() }},
		"the definition enrols nobody": {d: conditional(core.Decision{Variant: "red"}), change: func(_ *core.Config, d *definition) { d.OnlyAssigned = true }},
		"the call excludes":            {d: conditional(core.Decision{Variant: "red"}), trial: func(t *core.Trial[*user, string]) { t.Exclude() }},
		"controls are sticky":          {d: conditional(core.Decision{Variant: "red"}), change: func(_ *core.Config, d *definition) { d.StickyControl = true }},
		"another key decided":          {d: conditional(core.Decision{Variant: "red"}), under: "ffffffff"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, c.change)
			trial := l.exp.For(&user{ID: "1"})
			key := l.exp.For(&user{ID: "1"}).OnlyAssigned().Assign(ctx).Key
			if c.under == "" {
				c.under = key[:8]
			}
			open := core.Entry{Variant: "control", Origin: core.SourceResolved, Under: c.under}
			require.NoError(t, l.store.Store.Save(ctx, "pill_color", key, open))
			l.flag.d = c.d
			if c.trial != nil {
				c.trial(trial)
			}
			a := trial.Assign(ctx)
			require.Equal(t, core.Control, a.Variant)
			require.Equal(t, core.SourceStored, a.Source)
			e, _ := l.stands(a)
			require.Equal(t, open, e)
		})
	}
}

func TestOpenControlSkipsExclusionsAndSegments(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) {
		excludeSubscribed(c, d)
		d.Segments = []core.Segment[*user]{{Name: "old", If: old, Into: "blue"}}
	})
	l.flag.set(core.Conditional, "")
	l.exp.Assign(ctx, &user{ID: "1"})
	l.flag.set(core.Conditional, "red")
	a := l.exp.Assign(ctx, &user{ID: "1", Subscribed: true, Old: true})
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.SourceResolved, a.Source)
}

func TestStickyControlIsFinal(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) { d.StickyControl = true })
	l.flag.set(core.Conditional, "")
	e, _ := l.stands(l.exp.Assign(ctx, &user{ID: "1"}))
	require.Equal(t, entry("control", core.SourceResolved), e)
}

func TestTransientControlIsNotStored(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) { d.TransientControl = true })
	l.flag.set(core.Conditional, "")
	a := l.tracked(l.exp, &user{ID: "1"})
	require.Equal(t, core.SourceResolved, a.Source)
	l.nothingStored(a)
	l.flag.set(core.Conditional, "red")
	require.Equal(t, "red", l.tracked(l.exp, &user{ID: "1"}).Variant)
}

func TestDrawnVariantsAreFinalAndDrawnLast(t *testing.T) {
	drawn := 0
	l := newLab(t, excludeSubscribed)
	l.flag.d = core.Decision{State: core.Conditional, Choose: func(context.Context) (string, error) { drawn++; return "control", nil }}
	l.exp.Assign(ctx, &user{ID: "x", Subscribed: true})
	l.exp.For(&user{ID: "x"}).OnlyAssigned().Assign(ctx)
	require.Zero(t, drawn)
	a := l.exp.Assign(ctx, &user{ID: "1"})
	e, _ := l.stands(a)
	require.Equal(t, entry("control", core.SourceResolved), e)
	require.Equal(t, core.SourceStored, l.exp.Assign(ctx, &user{ID: "1"}).Source)
	require.Equal(t, 1, drawn)
}

func TestOnNeverYieldsControl(t *testing.T) {
	l := newLab(t, excludeSubscribed)
	l.flag.set(core.On, "red")
	require.Equal(t, "red", l.tracked(l.exp, &user{ID: "1"}).Variant)
	require.Equal(t, core.SourceExcluded, l.untracked(l.exp, &user{ID: "2", Subscribed: true}).Source)
	for _, variant := range []string{"", "control"} {
		l.flag.set(core.On, variant)
		a := l.exp.Assign(ctx, &user{ID: "3"})
		require.Equal(t, core.SourceError, a.Source)
		require.ErrorContains(t, a.Err, "state on")
		l.nothingStored(a)
	}
}

func TestOnWithAnyVariant(t *testing.T) {
	l := newLab(t, nil)
	l.flag.set(core.On, core.AnyVariant)
	seen := map[string]int{}
	for _, u := range users(100) {
		a := l.exp.Assign(ctx, u)
		require.Equal(t, core.Conditional, a.State, "several variants are a running experiment")
		seen[a.Variant]++
	}
	require.Len(t, seen, 2)
	require.Zero(t, seen["control"])

	one := newLab(t, func(_ *core.Config, d *definition) { d.Variants = d.Variants[:1] })
	one.flag.set(core.On, core.AnyVariant)
	a := one.exp.Assign(ctx, &user{ID: "1"})
	require.Equal(t, core.On, a.State)
	require.Equal(t, "red", a.Variant)

	none := newLab(t, func(_ *core.Config, d *definition) { d.Variants = nil })
	none.flag.set(core.On, core.AnyVariant)
	require.ErrorIs(t, none.exp.Assign(ctx, &user{ID: "1"}).Err, core.ErrUnknownVariant)
}

func TestDecisionsThatContradictThemselvesAreErrors(t *testing.T) {
	l := newLab(t, nil)
	for name, d := range map[string]core.Decision{
		"state":       {State: core.On + 1, Variant: "red"},
		"outside":     {State: core.On, Variant: "red", Outside: true},
		"drawn":       {State: core.On, Choose: func(context.Context) (string, error) { return "red", nil }},
		"variant":     {State: core.Conditional, Variant: "green"},
		"drawn green": {State: core.Conditional, Choose: func(context.Context) (string, error) { return "green", nil }},
		"draw fails":  {State: core.Conditional, Choose: func(context.Context) (string, error) { return "", errFlag }},
	} {
		l.flag.d = d
		a := l.untracked(l.exp, &user{ID: "1"})
		require.Equal(t, core.SourceError, a.Source, name)
		var re *core.RolloutError
		require.ErrorAs(t, a.Err, &re, name)
		require.Equal(t, "pill_color", re.Experiment)
		l.nothingStored(a)
	}
}

func TestFirstWriterWins(t *testing.T) {
	cases := map[string]struct {
		stands core.Entry
		want   string
		source core.Source
	}{
		"another variant":    {entry("blue", core.SourceResolved), "blue", core.SourceStored},
		"its own":            {entry("red", core.SourceResolved), "red", core.SourceResolved},
		"an exclusion":       {entry("control", core.SourceExcluded), "control", core.SourceExcluded},
		"an unknown variant": {entry("green", core.SourceResolved), "control", core.SourceError},
		"a retired variant":  {entry("brown", core.SourceResolved), "red", core.SourceResolved},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(_ *core.Config, d *definition) { d.Retired = []string{"brown"} })
			u := &user{ID: "1"}
			key := l.exp.For(u).OnlyAssigned().Assign(ctx).Key
			l.store.beforeClaim = func() { require.NoError(t, l.store.Store.Save(ctx, "pill_color", key, c.stands)) }
			a := l.exp.Assign(ctx, u)
			require.Equal(t, c.want, a.Variant)
			require.Equal(t, c.source, a.Source)
			require.Equal(t, a.Variant != core.Control, a.Tracked)
		})
	}
}

func TestLosingToAnOpenControlThatTodaysDecisionMoves(t *testing.T) {
	l := newLab(t, nil)
	u := &user{ID: "1"}
	key := l.exp.For(u).OnlyAssigned().Assign(ctx).Key
	l.store.beforeClaim = func() {
		require.NoError(t, l.store.Store.Save(ctx, "pill_color", key, core.Entry{Variant: "control", Origin: core.SourceResolved, Under: key[:8]}))
	}
	a := l.exp.Assign(ctx, u)
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.Control, a.Previous)
}

func TestRampThatLosesServesWhatStands(t *testing.T) {
	l := newLab(t, nil)
	u := &user{ID: "1"}
	l.flag.set(core.Conditional, "")
	key := l.exp.Assign(ctx, u).Key
	l.flag.set(core.Conditional, "red")
	l.store.beforeClaim = func() {
		require.NoError(t, l.store.Store.Save(ctx, "pill_color", key, entry("blue", core.SourceForced)))
	}
	a := l.exp.Assign(ctx, u)
	require.Equal(t, "blue", a.Variant)
	require.Equal(t, core.SourceStored, a.Source)
	require.Equal(t, core.SourceForced, a.Origin)
	require.Empty(t, a.Previous)
}

func TestAssignTrackAndPublishStoreAsRunDoes(t *testing.T) {
	for name, call := range map[string]func(*experiment, *user){
		"assign":  func(e *experiment, u *user) { e.Assign(ctx, u) },
		"publish": func(e *experiment, u *user) { e.Publish(ctx, u) },
		"track":   func(e *experiment, u *user) { _ = e.Track(ctx, u, core.Event{Action: "clicked"}) },
		"run":     func(e *experiment, u *user) { _, _ = e.Run(ctx, u) },
	} {
		l := newLab(t, nil)
		call(l.exp, &user{ID: "1"})
		require.Equal(t, core.SourceStored, l.exp.Assign(ctx, &user{ID: "1"}).Source, name)
	}
}

func TestWithoutAStore(t *testing.T) {
	l := newLab(t, func(c *core.Config, _ *definition) { c.Store = nil })
	u := &user{ID: "1"}
	require.Equal(t, core.SourceResolved, l.tracked(l.exp, u).Source)
	require.Equal(t, core.SourceUnassigned, l.exp.For(u).OnlyAssigned().Assign(ctx).Source)
	require.Equal(t, "blue", l.exp.For(u).AssignTo("blue").Assign(ctx).Variant)
	require.Equal(t, "red", l.exp.Assign(ctx, u).Variant)
	require.NoError(t, l.exp.Forget(ctx, u))
	require.NoError(t, l.exp.Clear(ctx))
}

// variantStore keeps variant names only, as a store that shares its layout does.
type variantStore struct{ core.Store }

func (variantStore) VariantOnly() bool { return true }

func (s variantStore) Load(ctx context.Context, experiment, key string, older []string) (core.Entry, []string, bool, error) {
	e, others, ok, err := s.Store.Load(ctx, experiment, key, older)
	return core.Entry{Variant: e.Variant, Final: ok}, others, ok, err
}

func TestAStoreOfVariantsKeepsNoOpenControlsAndNoExclusions(t *testing.T) {
	store := variantStore{core.NewMemoryStore(nil)}
	l := newLab(t, func(c *core.Config, d *definition) {
		c.Store = store
		excludeSubscribed(c, d)
		d.StickyExclusions = true
	})
	stored := func(a core.Assignment) bool {
		_, _, ok, err := store.Load(ctx, "pill_color", a.Key, nil)
		require.NoError(t, err)
		return ok
	}
	l.flag.set(core.Conditional, "")
	require.False(t, stored(l.tracked(l.exp, &user{ID: "1"})))
	require.False(t, stored(l.untracked(l.exp, &user{ID: "2", Subscribed: true})))
	require.True(t, stored(l.exp.For(&user{ID: "3"}).AssignTo("control").Assign(ctx)))
	l.flag.set(core.Conditional, "red")
	require.True(t, stored(l.exp.Assign(ctx, &user{ID: "4"})))
	hit := l.exp.Assign(ctx, &user{ID: "4"})
	require.Equal(t, core.SourceStored, hit.Source)
	require.Zero(t, hit.Origin)
}
