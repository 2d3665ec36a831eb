package core_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func stickyExclusions(c *core.Config, d *definition) {
	excludeSubscribed(c, d)
	d.StickyExclusions = true
}

func TestTheFirstRuleThatMatchesCountsSharedOnesFirst(t *testing.T) {
	var asked []string
	says := func(name string, match bool) rule {
		return rule{Name: name, If: func(context.Context, *user) bool { asked = append(asked, name); return match }}
	}
	l := newLab(t, func(c *core.Config, d *definition) {
		c.Exclusions = []core.Rule[any]{{Name: "shared", If: func(context.Context, any) bool { asked = append(asked, "shared"); return false }}}
		d.Exclusions = []rule{says("first", false), says("second", true), says("third", true)}
		d.Segments = []segment{{Name: "segment", Variant: "blue", If: says("segment", true).If}}
	})
	serves(t, l.exp.Assign(ctx, &user{ID: "1"}), "control excluded/excluded by second untracked")
	require.Equal(t, []string{"shared", "first", "second"}, asked)
}

func TestTheFirstSegmentThatMatchesCountsAndIsFinal(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Segments = []segment{{Name: "vip", If: vip, Variant: "control"}, {Name: "old", If: old, Variant: "blue"}, {Name: "all", If: old, Variant: "red"}}
	})
	serves(t, l.exp.Assign(ctx, &user{ID: "1", Old: true}), "blue segmented/segmented by old")
	serves(t, l.exp.Assign(ctx, &user{ID: "2", VIP: true, Old: true}), "control segmented/segmented by vip")
	l.flag.set(core.On, "red")
	serves(t, l.exp.Assign(ctx, &user{ID: "2"}), "control stored/segmented")
}

func TestRulesGetTheSubjectAsGivenNilIncluded(t *testing.T) {
	var got []*user
	l := newLab(t, all(unit(core.NewUnit()), func(_ *core.Config, d *definition) {
		d.Exclusions = []rule{{If: func(_ context.Context, u *user) bool { got = append(got, u); return true }}}
	}))
	serves(t, l.exp.Assign(ctx, nil), "control excluded/excluded by exclusion 1 untracked")
	require.Equal(t, []*user{nil}, got)
}

func TestRulesAreAskedOncePerTrial(t *testing.T) {
	asked := 0
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.StickyExclusions, d.StickyPolicy = true, core.ExclusionFirst
		d.Exclusions = []rule{{If: func(_ context.Context, u *user) bool { asked++; return u.Subscribed }}}
	})
	l.store.beforeClaim = func() { l.exp.Assign(ctx, &user{ID: "1"}) }
	serves(t, l.exp.Assign(ctx, &user{ID: "1", Subscribed: true}), "control excluded/excluded by exclusion 1 untracked")
	require.Equal(t, 2, asked, "once in each of two trials")
}

func TestStickyExclusionThatLosesItsClaimServesTheCurrentEntry(t *testing.T) {
	l := newLab(t, stickyExclusions)
	l.store.beforeClaim = func() { l.exp.Assign(ctx, &user{ID: "1"}) }
	a := l.exp.Assign(ctx, &user{ID: "1", Subscribed: true})
	serves(t, a, "red stored/resolved")
	require.False(t, a.Excluded)
}

func TestExcludeAfterResolvingOnlyStopsEvents(t *testing.T) {
	l := newLab(t, nil)
	trial := l.exp.For(&user{ID: "1"})
	trial.Assign(ctx)
	trial.Exclude()
	serves(t, trial.Publish(ctx), "red resolved/resolved untracked")
	require.NoError(t, trial.Track(ctx, clicked))
	require.Empty(t, l.events.Take())
}

func TestDrawsComeLast(t *testing.T) {
	drawn := 0
	l := newLab(t, excludeSubscribed)
	l.flag.d = draws(func(context.Context) (string, error) { drawn++; return "blue", nil })
	l.exp.Assign(ctx, &user{ID: "x", Subscribed: true})
	l.exp.For(&user{ID: "x"}).OnlyAssigned().Assign(ctx)
	require.Zero(t, drawn)
	serves(t, l.exp.Assign(ctx, &user{ID: "1"}), "blue resolved/resolved")
	serves(t, l.exp.Assign(ctx, &user{ID: "1"}), "blue stored/resolved")
	require.Equal(t, 1, drawn)
}

func TestOnWithAnyVariant(t *testing.T) {
	for _, c := range []struct {
		name     string
		variants int
		state    core.State
		want     []string
	}{
		{"of several is a running experiment", 2, core.Conditional, []string{"blue", "red"}},
		{"of one", 1, core.On, []string{"red"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, func(_ *core.Config, d *definition) { d.Variants = d.Variants[:c.variants] })
			l.flag.set(core.On, core.AnyVariant)
			seen := map[string]bool{}
			for _, u := range users(100) {
				a := l.exp.Assign(ctx, u)
				require.Equal(t, c.state, a.State)
				seen[a.Variant] = true
			}
			require.Equal(t, c.want, slices.Sorted(maps.Keys(seen)))
		})
	}
	t.Run("of none", func(t *testing.T) {
		l := newLab(t, func(_ *core.Config, d *definition) { d.Variants = nil })
		l.flag.set(core.On, core.AnyVariant)
		require.ErrorIs(t, l.exp.Assign(ctx, &user{ID: "1"}).Err, core.ErrUnknownVariant)
	})
}
