package core_test

// Step 9 of the decision order: what the rollout says, and who wins a race.

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

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
			if c.stands.Variant != "brown" {
				e, _ := l.stands(a)
				require.Equal(t, c.stands, e, "the loser writes nothing more")
			}
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

func TestAStoreOfVariantsIsNotWrittenAgainForTheSameForce(t *testing.T) {
	inner := &flaky{Store: core.NewMemoryStore(nil)}
	l := newLab(t, func(c *core.Config, _ *definition) { c.Store = variantStore{inner} })
	for range 3 {
		require.Equal(t, "blue", l.exp.For(&user{ID: "1"}).AssignTo("blue").Assign(ctx).Variant)
	}
	require.Equal(t, 1, inner.writes)
}
