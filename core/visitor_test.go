package core_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

var blue = decision(core.Conditional, "blue")

// A visit is one browser's way through the pages of an app.
type visit struct {
	*lab
	*browser
}

func newVisit(t *testing.T, change change) *visit { return &visit{newLab(t, change), &browser{}} }

// sees publishes on a page of its own and checks what is served, and which
// variant the cookie carries then, "" for no cookie.
func (v *visit) sees(u *user, d core.Decision, want, cookie string) core.Assignment {
	v.t.Helper()
	v.flag.d, v.flag.err = d, nil
	return v.shows(v.page(), v.exp.For(u), want, cookie)
}

func (v *visit) shows(page context.Context, trial *core.Trial[*user, string], want, cookie string) core.Assignment {
	v.t.Helper()
	a := trial.Publish(page)
	serves(v.t, a, want)
	require.Equal(v.t, cookie, v.cookies["pill_color"].Entry.Variant)
	require.Equal(v.t, cookie != "", len(v.cookies) == 1)
	return a
}

func TestFirstPageCountsAndStoresNothing(t *testing.T) {
	v := newVisit(t, nil)
	page := v.page()
	require.Equal(t, "red!", v.run(page, nobody))
	require.NoError(t, v.exp.Track(page, nobody, clicked))
	v.shows(page, v.exp.For(nobody).Exclude(), "red stored/resolved untracked", "red")
	events := v.events.Take()
	require.Len(t, events, 2)
	require.Equal(t, events[0].Key, events[1].Key)
	require.Zero(t, v.store.loads, "a fresh visitor has nothing to read")
	require.Zero(t, v.store.writes)
	require.True(t, v.depends)

	// The cookie comes back: stored, and no longer drawn.
	a := v.sees(nobody, blue, "red stored/resolved", "red")
	require.Equal(t, events[0].Key, a.Key)
	require.Equal(t, events[0].ID, v.events.Take()[0].ID, "the same event, for consumers that deduplicate")
	require.Equal(t, resolved, v.stored(a))
	require.Equal(t, 1, v.keeps, "the cookie was set once")
}

func TestAnonymousWithoutCookieIsNoUnit(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*browser, *definition)
	}{
		{"the header was sent", func(b *browser, _ *definition) { b.sent = true }},
		{"the header goes before the cookie is kept", func(b *browser, d *definition) {
			b.made = map[string]core.Visitor{}
			d.Enabled = func(context.Context) bool { b.sent = true; return true }
		}},
		{"not to be tracked", func(b *browser, _ *definition) { b.silent = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &browser{}
			v := &visit{newLab(t, func(_ *core.Config, d *definition) { c.change(b, d) }), b}
			page := core.WithScope(ctx, b)
			a := v.shows(page, v.exp.For(nobody), "control no-unit/- untracked", "")
			require.NoError(t, a.Err)
			require.Empty(t, v.events.Take())
			require.Empty(t, core.PublishedIn(page))
		})
	}
}

func TestCookieIsSetForTrackedDecisionsOnly(t *testing.T) {
	everybody := func(_ *core.Config, d *definition) {
		d.StickyExclusions, d.Exclusions = true, []rule{{Name: "all", If: func(context.Context, *user) bool { return true }}}
	}
	for _, c := range []struct {
		served string
		change change
		d      core.Decision
	}{
		{"control off/- untracked", nil, core.Decision{}},
		{"control error/- untracked", nil, decision(core.On, "green")},
		{"control outside/- untracked", nil, outside},
		{"control unassigned/- untracked", closed, red},
		{"control excluded/excluded by all untracked", everybody, red},
	} {
		t.Run(c.served, func(t *testing.T) {
			v := newVisit(t, c.change)
			v.sees(nobody, c.d, c.served, "")
			require.Zero(t, v.store.writes)
			require.Equal(t, c.d.State != core.Off, v.depends)
		})
	}
}

// A visitor signs in: on the first page, on the very next one, and on a later.
func TestSignInKeepsTheVariant(t *testing.T) {
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
	for _, c := range []struct {
		name   string
		change change
		d      core.Decision
		kept   bool
	}{
		{"a variant", nil, red, true},
		{"a control", nil, control, true},
		{"a unit of many attributes", attributes, red, true},
		{"a transient control", transient, control, false},
	} {
		for _, pages := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s, page %d", c.name, pages), func(t *testing.T) {
				v := newVisit(t, c.change)
				v.flag.d = c.d
				page := v.page()
				before := v.exp.Publish(page, nobody)
				for range pages - 1 {
					page = v.page()
					require.Equal(t, before.Key, v.exp.Publish(page, nobody).Key)
				}
				if pages > 1 {
					page = v.page()
				}
				after := v.exp.Publish(page, anna)
				require.Equal(t, before.Variant, after.Variant)
				require.NotEqual(t, before.Key, after.Key)
				require.Equal(t, []string{before.Key}, after.MigrationKeys)
				require.Equal(t, !c.kept, len(v.cookies) == 1, "the cookie goes when the assignment is kept")
				if c.kept && c.d.Variant == "red" {
					v.sees(anna, blue, "red stored/resolved", "")
					serves(t, v.exp.Assign(ctx, anna), "red stored/resolved")
				}
			})
		}
	}
}

func TestVisitorsControlStaysOpenToARamp(t *testing.T) {
	for _, c := range []struct {
		name   string
		change change
	}{{"with a store", nil}, {"without", noStore}} {
		t.Run(c.name, func(t *testing.T) {
			v := newVisit(t, c.change)
			v.sees(nobody, control, "control resolved/resolved", "control")
			v.sees(nobody, red, "red resolved/resolved was control", "red")
			v.sees(nobody, blue, "red stored/resolved was control", "red")
		})
	}
}

// Nobody moves while the cookie lasts.
func TestWithoutAStoreTheCookieIsAllThereIs(t *testing.T) {
	v := newVisit(t, noStore)
	v.sees(nobody, red, "red resolved/resolved", "red")
	v.sees(nobody, blue, "red stored/resolved", "red")
	v.sees(anna, blue, "red stored/resolved", "red")
}

// The cookie keeps what was drawn, so a draw needs no stored entry.
func TestCookieKeepsADraw(t *testing.T) {
	drawn := 0
	draw := draws(func(context.Context) (string, error) { drawn++; return []string{"red", "blue"}[drawn%2], nil })
	v := newVisit(t, nil)
	v.sees(nobody, draw, "blue resolved/resolved", "blue")
	v.sees(nobody, draw, "blue stored/resolved", "blue")
	v.sees(nobody, draw, "blue stored/resolved", "blue")
	require.Equal(t, 1, drawn)
}

func TestCookieServesWhileTheStoreIsDown(t *testing.T) {
	for _, c := range []struct {
		name              string
		d                 core.Decision // of the cookie: red is final, control is open
		loadErr, writeErr error
		writes            int
	}{
		{"no reads", red, errStore, nil, 0},
		{"no writes", red, nil, errStore, 1},
		{"no reads during a ramp", control, errStore, nil, 0},
		{"no writes during a ramp", control, nil, errStore, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVisit(t, nil)
			v.flag.d = c.d
			variant := v.exp.Assign(v.page(), nobody).Variant
			v.store.loadErr, v.store.writeErr = c.loadErr, c.writeErr
			for _, u := range []*user{nobody, anna} {
				v.store.writes = 0
				a := v.sees(u, blue, variant+" stored/resolved", variant)
				require.True(t, a.Degraded)
				require.Equal(t, c.writes, v.store.writes, "nothing is written after a failed read, nor tried twice")
			}
		})
	}
}

func TestReturningVisitorNeedsNoHeader(t *testing.T) {
	v := newVisit(t, allowForced)
	v.sees(nobody, red, "red resolved/resolved", "red")
	v.forced = map[string]string{"pill_color": "blue"}
	page := v.page()
	v.sent = true
	v.shows(page, v.exp.For(nobody), "blue forced/forced", "red")
}

func TestExcludedAtSignInKeepsTheCookie(t *testing.T) {
	v := newVisit(t, exclusionFirst)
	v.sees(nobody, red, "red resolved/resolved", "red")
	v.sees(nobody, red, "red stored/resolved", "red")
	v.sees(&user{ID: "anna", Subscribed: true}, red, "control excluded/excluded by subscribed untracked", "red")
}

func TestCookieOfAnotherUnitIsNotAdopted(t *testing.T) {
	project := 1
	v := newVisit(t, func(_ *core.Config, d *definition) {
		d.Unit = func(*user) core.Unit { return core.NewUnit(core.String("actor", ""), core.Int("project", project)) }
	})
	v.sees(nobody, red, "red resolved/resolved", "red")
	project = 2
	v.sees(nobody, blue, "blue resolved/resolved", "red") // the store has it, so the cookie does not go to and fro
	project = 1
	v.sees(nobody, blue, "red stored/resolved", "red")
	project = 2
	v.sees(nobody, red, "blue stored/resolved", "red")
}

func TestEntriesOfTheCookieThatDoNotCount(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*core.Visitor)
		cookie string
	}{
		{"an unknown variant", func(v *core.Visitor) { v.Entry.Variant = "mauve" }, "blue"},
		{"an exclusion", func(v *core.Visitor) { v.Entry.Origin = core.SourceExcluded }, "red"},
		{"one of no unit", func(v *core.Visitor) { v.Unit = "" }, "blue"},
		{"none", func(v *core.Visitor) { v.Entry = core.Entry{} }, "blue"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVisit(t, nil)
			before := v.sees(nobody, red, "red resolved/resolved", "red")
			cookie := v.cookies["pill_color"]
			c.change(&cookie)
			v.cookies["pill_color"] = cookie
			after := v.sees(nobody, blue, "blue resolved/resolved", c.cookie)
			require.Equal(t, before.Key, after.Key, "the id is good all the same")
		})
	}
}

func TestForcedByTheScope(t *testing.T) {
	forced := func(t *testing.T, change change, variant string) *visit {
		v := newVisit(t, change)
		v.forced = map[string]string{"pill_color": variant}
		return v
	}
	t.Run("needs AllowForced", func(t *testing.T) {
		forced(t, nil, "blue").sees(nobody, red, "red resolved/resolved", "red")
	})
	t.Run("is stored at once and follows the visitor", func(t *testing.T) {
		v := forced(t, allowForced, "blue")
		a := v.sees(nobody, red, "blue forced/forced", "blue")
		require.Equal(t, entry("blue", core.SourceForced), v.stored(a))
		v.forced = nil
		v.sees(anna, red, "blue stored/forced", "")
		require.NoError(t, v.exp.Forget(v.page(), anna))
		v.sees(anna, red, "red resolved/resolved", "")
	})
	t.Run("skips a name that is not defined", func(t *testing.T) {
		v := forced(t, allowForced, "mauve")
		v.sees(nobody, red, "red resolved/resolved", "red")
		v.shows(core.WithForced(v.page(), "pill_color", "blue"), v.exp.For(nobody), "blue forced/forced", "blue")
	})
}

func TestForgetTakesTheCookieAndTheDecisionOfTheRequestToo(t *testing.T) {
	v := newVisit(t, nil)
	v.sees(nobody, red, "red resolved/resolved", "red")
	page := v.page()
	v.shows(page, v.exp.For(nobody), "red stored/resolved", "red")
	require.NoError(t, v.exp.Forget(page, nobody))
	require.Empty(t, v.cookies)
	v.flag.d = blue
	v.shows(page, v.exp.For(nobody), "blue resolved/resolved", "blue")
	require.ErrorContains(t, v.exp.Forget((&browser{}).page(), nobody), "anonymous")
}

func TestManualOnAFreshVisitorIsInTheCookieOnly(t *testing.T) {
	v := newVisit(t, nil)
	v.shows(v.page(), v.exp.For(nobody).AssignTo("blue"), "blue manual/manual", "blue")
	require.Zero(t, v.store.writes)
	a := v.sees(nobody, red, "blue stored/manual", "blue")
	require.Equal(t, entry("blue", core.SourceManual), v.stored(a))
}

func TestManualAtSignInTakesTheCookieOnceItIsStored(t *testing.T) {
	for _, c := range []struct {
		name     string
		writeErr error
		cookie   string
	}{{"stored", nil, ""}, {"not stored", errStore, "red"}} {
		t.Run(c.name, func(t *testing.T) {
			v := newVisit(t, nil)
			v.sees(nobody, red, "red resolved/resolved", "red")
			v.store.writeErr = c.writeErr
			v.shows(v.page(), v.exp.For(anna).AssignTo("blue"), "blue manual/manual", c.cookie)
		})
	}
}

func TestSilentScopeSendsNothing(t *testing.T) {
	v := newVisit(t, nil)
	v.sees(nobody, red, "red resolved/resolved", "red")
	v.events.Take()
	v.silent = true
	v.sees(nobody, blue, "red stored/resolved untracked", "red")
	v.sees(anna, blue, "red stored/resolved untracked", "")
	page := v.page()
	require.NoError(t, v.exp.Track(page, anna, clicked))
	require.Empty(t, v.events.Take())
}
