package core_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

var nobody *user

func TestFirstPageCountsAndStoresNothing(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	page := b.page()
	got, err := l.exp.Run(page, nobody)
	require.NoError(t, err)
	require.Equal(t, "red!", got)
	require.NoError(t, l.exp.Track(page, nobody, core.Event{Action: "clicked"}))
	events := l.events.Take()
	require.Len(t, events, 2)
	require.Equal(t, events[0].Key, events[1].Key)
	require.Zero(t, l.store.loads, "a fresh visitor has nothing to read")
	require.Zero(t, l.store.writes)
	require.True(t, b.depends)

	// The cookie comes back: stored, and no longer drawn.
	l.flag.set(core.Conditional, "blue")
	a := l.exp.Publish(b.page(), nobody)
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.SourceStored, a.Source)
	require.Equal(t, core.SourceResolved, a.Origin)
	require.Equal(t, events[0].Key, a.Key)
	require.Equal(t, events[0].ID, l.events.Take()[0].ID, "the same event, for consumers that deduplicate")
	e, ok := l.stands(a)
	require.True(t, ok)
	require.Equal(t, entry("red", core.SourceResolved), e)
	require.Equal(t, 1, b.keeps, "the cookie was set once")
}

func TestNothingIsStoredOnTheFirstPageHoweverOften(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	page := b.page()
	l.exp.Publish(page, nobody)
	require.Equal(t, "red", l.exp.For(nobody).Exclude().Assign(page).Variant, "the cookie holds it")
	require.Zero(t, l.store.writes)
}

func TestAnonymousWithoutCookieIsNoUnit(t *testing.T) {
	l := newLab(t, nil)
	for name, b := range map[string]*browser{"header sent": {sent: true}, "not to be tracked": {silent: true}} {
		t.Run(name, func(t *testing.T) {
			page := core.WithScope(ctx, b)
			a := l.exp.Publish(page, nobody)
			require.Equal(t, core.SourceNoUnit, a.Source)
			require.NoError(t, a.Err)
			require.Empty(t, b.cookies)
			require.Empty(t, l.events.Take())
			require.Empty(t, core.PublishedIn(page))
		})
	}
}

func TestVisitorWithoutCookieIsLostWhenTheHeaderGoesFirst(t *testing.T) {
	b := &browser{}
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Enabled = func(context.Context) bool { b.sent = true; return true } // between making and keeping
	})
	a := l.exp.Publish(b.page(), nobody)
	require.Equal(t, core.SourceNoUnit, a.Source)
	require.Equal(t, core.Control, a.Variant)
	require.Empty(t, l.events.Take())
}

func TestCookieIsSetForTrackedDecisionsOnly(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*core.Config, *definition)
		set    func(*flag)
		source core.Source
	}{
		"off":      {nil, func(f *flag) { f.set(core.Off, "") }, core.SourceOff},
		"error":    {nil, func(f *flag) { f.err = errFlag }, core.SourceError},
		"outside":  {nil, func(f *flag) { f.d = core.Decision{State: core.Conditional, Outside: true} }, core.SourceOutside},
		"assigned": {func(_ *core.Config, d *definition) { d.OnlyAssigned = true }, nil, core.SourceUnassigned},
		"excluded": {func(_ *core.Config, d *definition) {
			d.StickyExclusions = true
			d.Exclusions = []core.Rule[*user]{{If: func(context.Context, *user) bool { return true }}}
		}, nil, core.SourceExcluded},
	} {
		t.Run(name, func(t *testing.T) {
			l, b := newLab(t, c.change), &browser{}
			if c.set != nil {
				c.set(l.flag)
			}
			page := b.page()
			require.Equal(t, c.source, l.exp.Publish(page, nobody).Source)
			require.Empty(t, b.cookies)
			require.Zero(t, l.store.writes)
			require.Equal(t, c.source != core.SourceOff, b.depends)
		})
	}
}

// A visitor signs in: on a later page, on the very next one, and on the first.
func TestSignInKeepsTheVariant(t *testing.T) {
	anna := &user{ID: "anna"}
	attributes := func(_ *core.Config, d *definition) {
		d.Unit = func(u *user) core.Unit {
			id := ""
			if u != nil {
				id = u.ID
			}
			return core.NewUnit(core.Int("project", 7), core.Bool("beta", true), core.String("actor", id), core.String("page", "home")).
				StickyTo("actor", "project", "page").Traits(core.Bool("new", true))
		}
	}
	transient := func(_ *core.Config, d *definition) { d.TransientControl = true }
	for name, change := range map[string]func(*core.Config, *definition){"actor": nil, "more attributes": attributes, "transient controls": transient} {
		for _, pages := range []int{1, 2, 3} {
			for _, variant := range []string{"red", core.Control} {
				t.Run(fmt.Sprintf("%s, page %d, %s", name, pages, variant), func(t *testing.T) {
					l, b := newLab(t, change), &browser{}
					l.flag.set(core.Conditional, variant)
					page := b.page()
					before := l.exp.Publish(page, nobody)
					for range pages - 1 {
						page = b.page()
						require.Equal(t, before.Key, l.exp.Publish(page, nobody).Key)
					}
					if pages > 1 {
						page = b.page()
					}
					after := l.exp.Publish(page, anna)
					require.Equal(t, variant, after.Variant)
					require.NotEqual(t, before.Key, after.Key)
					require.Equal(t, []string{before.Key}, after.MigrationKeys)
					kept := name != "transient controls" || variant != core.Control
					require.Equal(t, !kept, len(b.cookies) == 1, "the cookie goes when the assignment is kept")
					if kept {
						l.flag.set(core.Conditional, "blue")
						require.Equal(t, variant, l.exp.Assign(b.page(), anna).Variant)
						require.Equal(t, core.SourceStored, l.exp.Assign(ctx, anna).Source)
					}
				})
			}
		}
	}
}

// Without a store the cookie is all there is, and nobody moves while it lasts.
func TestVisitorsWithoutStore(t *testing.T) {
	l, b := newLab(t, func(c *core.Config, _ *definition) { c.Store = nil }), &browser{}
	require.Equal(t, core.SourceResolved, l.exp.Assign(b.page(), nobody).Source)
	l.flag.set(core.Conditional, "blue")
	require.Equal(t, "red", l.exp.Assign(b.page(), nobody).Variant)
	require.Equal(t, "red", l.exp.Assign(b.page(), &user{ID: "anna"}).Variant)
	require.Len(t, b.cookies, 1)
}

func TestVisitorsControlStaysOpenToARamp(t *testing.T) {
	for name, store := range map[string]bool{"with a store": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			l, b := newLab(t, func(c *core.Config, _ *definition) {
				if !store {
					c.Store = nil
				}
			}), &browser{}
			l.flag.set(core.Conditional, core.Control)
			require.Equal(t, core.Control, l.exp.Assign(b.page(), nobody).Variant)
			l.flag.set(core.Conditional, "red")
			a := l.exp.Assign(b.page(), nobody)
			require.Equal(t, "red", a.Variant)
			require.Equal(t, core.Control, a.Previous)
			require.Equal(t, "red", b.cookies["pill_color"].Entry.Variant)
			require.Equal(t, core.SourceStored, l.exp.Assign(b.page(), nobody).Source)
		})
	}
}

// The cookie keeps what was drawn, so a draw needs no stored entry.
func TestCookieKeepsADraw(t *testing.T) {
	draws := 0
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Rollout = core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
			return core.Decision{State: core.Conditional, Choose: func(context.Context) (string, error) {
				draws++
				return []string{"red", "blue"}[draws%2], nil
			}}, nil
		})
	})
	b := &browser{}
	page := b.page()
	first := l.exp.Assign(page, nobody)
	require.Equal(t, first, l.exp.Assign(page, nobody), "one decision per request")
	for range 3 {
		require.Equal(t, first.Variant, l.exp.Assign(b.page(), nobody).Variant)
	}
	require.Equal(t, 1, draws)
}

func TestCookieServesWhileTheStoreIsDown(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	l.exp.Assign(b.page(), nobody)
	l.flag.set(core.Conditional, "blue")
	l.store.loadErr = errStore
	a := l.exp.Assign(b.page(), nobody)
	require.Equal(t, "red", a.Variant)
	require.True(t, a.Degraded)
	require.Zero(t, l.store.writes, "nothing is written after a failed read")

	l.store.loadErr, l.store.writeErr = nil, errStore
	a = l.exp.Assign(b.page(), nobody)
	require.Equal(t, "red", a.Variant)
	require.True(t, a.Degraded)
	a = l.exp.Assign(b.page(), &user{ID: "anna"})
	require.Equal(t, "red", a.Variant)
	require.Len(t, b.cookies, 1, "what is not kept in the store stays in the cookie")
}

// A cookie holds an open control, the flag ramps, and the store fails.
func TestNothingIsTriedTwiceWhileTheStoreIsDown(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	l.flag.set(core.Conditional, core.Control)
	l.exp.Assign(b.page(), nobody)
	l.flag.set(core.Conditional, "red")
	l.store.loadErr = errStore
	require.Equal(t, core.Control, l.exp.Assign(b.page(), nobody).Variant)
	require.Zero(t, l.store.writes)
	l.store.loadErr, l.store.writeErr = nil, errStore
	require.Equal(t, core.Control, l.exp.Assign(b.page(), nobody).Variant)
	require.Equal(t, 1, l.store.writes)
}

func TestReturningVisitorNeedsNoHeader(t *testing.T) {
	l, b := newLab(t, func(c *core.Config, _ *definition) { c.AllowForced = true }), &browser{}
	l.exp.Assign(b.page(), nobody)
	b.forced = map[string]string{"pill_color": "blue"}
	page := b.page()
	b.sent = true
	require.Equal(t, "blue", l.exp.Assign(page, nobody).Variant)
}

func TestExcludedAtSignInKeepsTheCookie(t *testing.T) {
	l, b := newLab(t, func(c *core.Config, d *definition) {
		excludeSubscribed(c, d)
		d.StickyPolicy = core.ExclusionFirst
	}), &browser{}
	l.exp.Assign(b.page(), nobody)
	l.exp.Assign(b.page(), nobody)
	require.Equal(t, core.SourceExcluded, l.exp.Assign(b.page(), &user{ID: "anna", Subscribed: true}).Source)
	require.Len(t, b.cookies, 1)
}

func TestCookieOfAnotherUnitIsNotAdopted(t *testing.T) {
	project := 1
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Unit = func(*user) core.Unit { return core.NewUnit(core.String("actor", ""), core.Int("project", project)) }
	})
	b := &browser{}
	l.exp.Assign(b.page(), nobody)
	project = 2
	l.flag.set(core.Conditional, "blue")
	require.Equal(t, "blue", l.exp.Assign(b.page(), nobody).Variant)
	project = 1
	require.Equal(t, "red", l.exp.Assign(b.page(), nobody).Variant)
	cookie := b.cookies["pill_color"]
	project = 2
	require.Equal(t, "blue", l.exp.Assign(b.page(), nobody).Variant)
	require.Equal(t, cookie, b.cookies["pill_color"], "it does not go to and fro")
}

func TestEntriesOfTheCookieThatDoNotCount(t *testing.T) {
	for name, change := range map[string]func(*core.Visitor){
		"unknown variant": func(v *core.Visitor) { v.Entry.Variant = "mauve" },
		"excluded":        func(v *core.Visitor) { v.Entry.Origin = core.SourceExcluded },
		"no unit":         func(v *core.Visitor) { v.Unit = "" },
		"none":            func(v *core.Visitor) { v.Entry = core.Entry{} },
	} {
		t.Run(name, func(t *testing.T) {
			l, b := newLab(t, nil), &browser{}
			key := l.exp.Assign(b.page(), nobody).Key
			v := b.cookies["pill_color"]
			change(&v)
			b.cookies["pill_color"] = v
			l.flag.set(core.Conditional, "blue")
			a := l.exp.Assign(b.page(), nobody)
			require.Equal(t, "blue", a.Variant)
			require.Equal(t, core.SourceResolved, a.Source)
			require.Equal(t, key, a.Key, "the id is good all the same")
		})
	}
}

func TestForcedByTheScope(t *testing.T) {
	allow := func(c *core.Config, _ *definition) { c.AllowForced = true }
	b := &browser{forced: map[string]string{"pill_color": "blue"}}
	l := newLab(t, nil)
	require.Equal(t, "red", l.exp.Assign(b.page(), nobody).Variant, "it needs AllowForced")

	b.cookies = nil
	l = newLab(t, allow)
	a := l.exp.Assign(b.page(), nobody)
	require.Equal(t, core.SourceForced, a.Source)
	require.Equal(t, "blue", a.Variant)
	e, ok := l.stands(a)
	require.True(t, ok, "a force is stored at once")
	require.Equal(t, entry("blue", core.SourceForced), e)

	b.forced = nil
	a = l.exp.Assign(b.page(), &user{ID: "anna"})
	require.Equal(t, "blue", a.Variant, "it follows the visitor")
	require.Equal(t, core.SourceForced, a.Origin)
	require.NoError(t, l.exp.Forget(b.page(), &user{ID: "anna"}))
	require.Equal(t, "red", l.exp.Assign(b.page(), &user{ID: "anna"}).Variant)

	b.forced = map[string]string{"pill_color": "mauve"}
	require.Equal(t, "red", l.exp.Assign(b.page(), nobody).Variant, "a name that is not defined is skipped")
	page := core.WithForced(b.page(), "pill_color", "blue")
	require.Equal(t, "blue", l.exp.Assign(page, nobody).Variant)
}

func TestForgetTakesTheCookieToo(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	l.exp.Assign(b.page(), nobody)
	page := b.page()
	l.exp.Assign(page, nobody)
	require.NoError(t, l.exp.Forget(page, nobody))
	require.Empty(t, b.cookies)
	l.flag.set(core.Conditional, "blue")
	require.Equal(t, "blue", l.exp.Assign(b.page(), nobody).Variant)
	require.ErrorContains(t, l.exp.Forget((&browser{}).page(), nobody), "anonymous")
}

func TestManualOnAFreshVisitorIsInTheCookieOnly(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	require.Equal(t, core.SourceManual, l.exp.For(nobody).AssignTo("blue").Assign(b.page()).Source)
	require.Zero(t, l.store.writes)
	a := l.exp.Assign(b.page(), nobody)
	require.Equal(t, "blue", a.Variant)
	require.Equal(t, core.SourceManual, a.Origin)
	e, _ := l.stands(a)
	require.Equal(t, entry("blue", core.SourceManual), e)
}

func TestSilentScope(t *testing.T) {
	l, b := newLab(t, nil), &browser{}
	l.exp.Publish(b.page(), nobody)
	l.events.Take()
	b.silent = true
	for _, u := range []*user{nobody, {ID: "anna"}} {
		page := b.page()
		a := l.exp.Publish(page, u)
		require.Equal(t, "red", a.Variant)
		require.False(t, a.Tracked)
		require.NoError(t, l.exp.Track(page, u, core.Event{Action: "clicked"}))
		require.Empty(t, l.events.Take())
	}
}
