package core_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

var anna = &user{ID: "anna"}

func TestOneDecisionPerRequest(t *testing.T) {
	l, page := newLab(t, allowForced), (&browser{}).page()
	first := l.exp.Publish(page, anna)
	l.flag.set(core.Off, "")
	require.Equal(t, first, l.exp.Publish(page, anna))
	require.Equal(t, first, l.exp.For(anna).OnlyAssigned().Assign(page))
	require.Equal(t, 1, l.flag.asked)
	require.Equal(t, 1, l.store.loads)
	require.Len(t, l.events.Take(), 1, "and one event")
	require.ErrorIs(t, l.exp.For(anna).AssignTo("mauve").Assign(page).Err, core.ErrUnknownVariant)
	serves(t, newLab(t, nil).exp.Assign(page, anna), "red resolved/resolved") // each client decides for itself
}

func TestManualAndForcedReplaceTheDecisionOfTheRequest(t *testing.T) {
	l, page := newLab(t, allowForced), (&browser{}).page()
	l.exp.Publish(page, anna)
	serves(t, l.exp.For(anna).AssignTo("blue").Publish(page), "blue manual/manual")
	serves(t, l.exp.Publish(page, anna), "blue manual/manual")
	require.Len(t, l.events.Take(), 2)
	serves(t, l.exp.Publish(core.WithForced(page, "pill_color", "red"), anna), "red forced/forced")
	serves(t, l.exp.Publish(page, anna), "red forced/forced")
}

func TestWhatDependsOnTheCallIsDecidedAnew(t *testing.T) {
	for _, c := range []struct {
		name          string
		change        change
		stored        core.Entry
		first, second func(*experiment) *core.Trial[*user, string]
		want          [2]string
	}{
		{"Exclude", nil, core.Entry{}, excludesAnna, plainAnna, [2]string{"control excluded/excluded untracked", "red resolved/resolved"}},
		{"Exclude after all", nil, core.Entry{}, plainAnna, excludesAnna, [2]string{"red resolved/resolved", "red stored/resolved untracked"}},
		{"Exclude without a store", noStore, core.Entry{}, plainAnna, excludesAnna,
			[2]string{"red resolved/resolved", "control excluded/excluded untracked"}},
		{"an exclusion by a rule", excludeSubscribed, core.Entry{},
			func(e *experiment) *core.Trial[*user, string] { return e.For(&user{ID: "anna", Subscribed: true}) }, plainAnna,
			[2]string{"control excluded/excluded by subscribed untracked", "red resolved/resolved"}},
		{"OnlyAssigned, which moves no control", nil, openControl(anna),
			func(e *experiment) *core.Trial[*user, string] { return e.For(anna).OnlyAssigned() }, plainAnna,
			[2]string{"control stored/resolved", "red resolved/resolved was control"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, page := newLab(t, c.change), (&browser{}).page()
			if c.stored != (core.Entry{}) {
				l.seed(anna, c.stored)
			}
			serves(t, c.first(l.exp).Publish(page), c.want[0])
			a := c.second(l.exp).Publish(page)
			serves(t, a, c.want[1])
			require.Empty(t, a.MigrationKeys, "who is known needs no visitor's id")
			published := core.PublishedIn(page)
			require.Len(t, published, 1)
			require.Equal(t, a, published[0], "the later one replaces the earlier")
		})
	}
	require.Nil(t, core.PublishedIn(ctx))
}

func plainAnna(e *experiment) *core.Trial[*user, string]    { return e.For(anna) }
func excludesAnna(e *experiment) *core.Trial[*user, string] { return e.For(anna).Exclude() }

func TestAUnitThatIsAssignedDuringTheRequestIsServed(t *testing.T) {
	l, page := newLab(t, closed), (&browser{}).page()
	serves(t, l.exp.Publish(page, anna), "control unassigned/- untracked")
	l.seed(anna, resolved)
	serves(t, l.exp.Publish(page, anna), "red stored/resolved")
	require.Len(t, core.PublishedIn(page), 1)
}

func TestPublishedInHasEachUnitOfTheRequest(t *testing.T) {
	l, page := newLab(t, nil), (&browser{}).page()
	a, b := l.exp.Publish(page, anna), l.exp.Publish(page, &user{ID: "eve"})
	other := core.Inline(l.client, inlineDef()).Publish(page, anna)
	require.Equal(t, []core.Assignment{a, b, other}, core.PublishedIn(page))
}

// Goroutines of one request that draw at the same time agree.
func TestOneDecisionAmongGoroutines(t *testing.T) {
	for range 20 {
		var drawn sync.Map
		l := newLab(t, nil)
		l.flag.d = draws(func(context.Context) (string, error) {
			_, second := drawn.LoadOrStore("red", true)
			return map[bool]string{false: "red", true: "blue"}[second], nil
		})
		page := (&browser{}).page()
		var wg sync.WaitGroup
		got := make([]string, 8)
		for i := range got {
			wg.Go(func() { got[i] = l.exp.Publish(page, nobody).Variant })
		}
		wg.Wait()
		require.Len(t, slices.Compact(got), 1, "%q", got)
		require.Len(t, l.events.Take(), 1)
	}
}

// Who decides second for a unit, in the same moment, serves what was first.
func TestTheFirstDecisionOfARequestStands(t *testing.T) {
	l, b, drawn := newLab(t, nil), &browser{}, 0
	page := b.page()
	var inner core.Assignment
	l.flag.d = draws(func(context.Context) (string, error) {
		if drawn++; drawn == 1 {
			inner = l.exp.Publish(page, nobody) // as another goroutine would
			return "red", nil
		}
		return "blue", nil
	})
	require.Equal(t, "blue", l.exp.Publish(page, nobody).Variant)
	require.Equal(t, "blue", inner.Variant)
	require.Equal(t, "blue", b.cookies["pill_color"].Entry.Variant)
	require.Len(t, l.events.Take(), 1)
}

func TestUnitsWithoutActorNeedNoCookie(t *testing.T) {
	for _, c := range []struct {
		name string
		unit core.Unit
	}{
		{"project", core.NewUnit(core.Int("project", 7))},
		{"everybody", core.NewUnit()},
		{"actor is not key", core.NewUnit(core.String("actor", ""), core.Int("project", 7)).StickyTo("project")},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, b := newLab(t, unit(c.unit)), &browser{}
			a := l.exp.Publish(b.page(), nobody)
			require.Equal(t, core.SourceResolved, a.Source)
			require.Empty(t, b.made)
			require.Empty(t, b.cookies)
			require.Equal(t, entry("red", core.SourceResolved), l.stored(a))
		})
	}
}

func TestScopeKeepsTheContext(t *testing.T) {
	type key struct{}
	b := &browser{}
	outer, cancel := context.WithCancel(context.WithValue(ctx, key{}, "here"))
	page := core.WithScope(outer, b)
	require.Equal(t, "here", page.Value(key{}))
	require.Same(t, b, core.ScopeOf(page))
	require.Nil(t, core.ScopeOf(outer))
	require.Equal(t, outer, core.WithScope(outer, nil))
	cancel()
	require.ErrorIs(t, page.Err(), context.Canceled)
}

// rotating defines n experiments over a store, while a secret rotates, and has
// anna assigned in each.
func rotating(t *testing.T, n int) (*lab, []*experiment) {
	l := newLab(t, nil)
	exps := make([]*experiment, n)
	client, err := core.New(core.Config{Rollout: l.flag, Store: l.store, KeySecret: secret, PreviousSecrets: secrets[1:2]})
	require.NoError(t, err)
	l.client = client
	for i := range exps {
		def := inlineDef()
		def.Name, def.Variants = fmt.Sprintf("experiment_%d", i), variants("red", "blue")
		def.Unit = func(u *user) core.Unit {
			if u == nil {
				return core.Actor("")
			}
			return core.Actor(u.ID)
		}
		exps[i] = core.MustDefine(client, def)
		exps[i].Assign(ctx, anna)
	}
	l.flag.set(core.Conditional, "blue")
	l.store.loads = 0
	return l, exps
}

func TestPreloadReadsOnce(t *testing.T) {
	l, exps := rotating(t, 2)
	page := (&browser{}).page()
	core.Preload(page, exps[0].For(anna), exps[1].For(anna), exps[1].For(nobody), exps[0].For(anna))
	require.Equal(t, 1, l.store.loads)
	for _, e := range exps {
		serves(t, e.Assign(page, anna), "red stored/resolved")
	}
	require.Equal(t, 1, l.store.loads)
	core.Preload(ctx, exps[0].For(anna))
	require.Equal(t, 1, l.store.loads, "without a scope it does nothing")
}

func TestPreloadThatFailsChangesNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		breaks func(*spy)
	}{
		{"an error", func(s *spy) { s.loadErr = errStore }},
		{"a panic", func(s *spy) { s.panics = "boom" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, exps := rotating(t, 1)
			page := (&browser{}).page()
			c.breaks(l.store)
			core.Preload(page, exps[0].For(anna), core.Inline(l.client, definition{Name: "faulty"}).For(anna))
			l.store.loadErr, l.store.panics = nil, nil
			serves(t, exps[0].Assign(page, anna), "red stored/resolved")
			require.Equal(t, 2, l.store.loads, "each asks for itself")
		})
	}
}

func TestAnEntryThatCannotBePreloadedIsTheTrialsFault(t *testing.T) {
	l, exps := rotating(t, 2)
	page := (&browser{}).page()
	l.store.answer = func(ctx context.Context, lookups []core.Lookup) error {
		err := l.store.Store.Load(ctx, lookups)
		lookups[0].Entry, lookups[0].Err = core.Entry{}, errStore
		return err
	}
	core.Preload(page, exps[0].For(anna), exps[1].For(anna))
	a := exps[0].Assign(page, anna)
	require.ErrorIs(t, a.Err, errStore)
	require.True(t, a.Degraded)
	serves(t, exps[1].Assign(page, anna), "red stored/resolved")
}
