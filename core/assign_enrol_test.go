package core_test

// Steps 6 to 8 of the decision order: who is let in, and who is segmented.

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

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

func TestStickyExclusionThatLosesItsClaimServesWhatStands(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) { excludeSubscribed(c, d); d.StickyExclusions = true })
	u := &user{ID: "1", Subscribed: true}
	l.store.beforeClaim = func() {
		require.Equal(t, "red", l.exp.Assign(ctx, &user{ID: "1"}).Variant)
	}
	a := l.exp.Assign(ctx, u)
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.SourceStored, a.Source)
	require.Equal(t, core.SourceResolved, a.Origin)
	require.True(t, a.Tracked)
	require.False(t, a.Excluded)
	require.Empty(t, a.Rule)
}

func TestRulesAreAskedOncePerTrial(t *testing.T) {
	asked := 0
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.StickyExclusions, d.StickyPolicy = true, core.ExclusionFirst
		d.Exclusions = []core.Rule[*user]{{If: func(_ context.Context, u *user) bool { asked++; return u.Subscribed }}}
	})
	l.store.beforeClaim = func() { l.exp.Assign(ctx, &user{ID: "1"}) }
	a := l.exp.Assign(ctx, &user{ID: "1", Subscribed: true})
	require.Equal(t, core.SourceExcluded, a.Source)
	require.Equal(t, 2, asked, "once in each of two trials")
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
	require.Empty(t, l.events.Take())
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
	require.Empty(t, l.events.Take())
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
