package glex_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// The regions of this file are the code of MIGRATING.md. The tests play the
// whole migration with it.

type user struct{ ID string }

// region visit
// A visit is the subject: who asks, and the id in their cookie.
type visit struct {
	User   *user  // nil: not signed in
	Cookie string // empty: none
}

// unit is experiment(:pill_color, actor: current_user) in a Rails controller.
func (v visit) unit() core.Unit {
	actor := glex.Nil("actor")
	if v.User != nil {
		actor = glex.GlobalID("actor", "shop", "User", v.User.ID)
	}
	return glex.Context{Attrs: []core.Attr{actor}, Cookie: v.Cookie}.Unit()
}

// endregion

func isEmployee(context.Context, visit) bool { return false }

// region definition
var pillColor = core.Definition[visit, string]{
	Name:     "pill_color",
	Unit:     visit.unit,
	Control:  core.Variant[visit, string]{Value: "grey"},
	Variants: []core.Variant[visit, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},

	Exclusions:   []core.Rule[visit]{{Name: "employee", If: isEmployee}},
	StickyPolicy: core.ExclusionFirst, // in the gem an exclusion hides what is stored

	Rollout: glex.Percent(glex.Draw{
		Version:        glex.V07,              // of the gem
		IncludeControl: true,                  // the option of default_rollout
		Array:          []float64{50, 25, 25}, // its distribution
		Running:        true,                  // also when control is at 100
	}),
}

// endregion

func gemSettings(secret []byte, shared core.Store) (*core.Client, error) {
	// region client
	client, err := core.New(core.Config{
		KeyScheme:        glex.Scheme{Bits: 256}, // config.context_key_bit_length
		KeySecret:        secret,                 // config.context_key_secret
		InsecureNoSecret: len(secret) < 32,       // the gem takes short ones, and none
		NamePrefix:       "shop",                 // config.name_prefix
		Store:            shared,                 // a glexstore, on the gem's Redis
	})
	// endregion
	return client, err
}

// region cookie
// visitorOf returns the request's visit. A visitor whom neither side has met
// gets the cookie that the gem would have set.
func visitorOf(cookies *glex.RailsCookies, w http.ResponseWriter, r *http.Request, u *user) visit {
	id, err := cookies.Read(r, "shop_pill_color")
	if err != nil && u == nil {
		id = glex.NewVisitorID()
		c := cookies.New("shop_pill_color", id)
		c.Domain = "example.com" // what config.cookie_domain amounts to
		http.SetCookie(w, c)
	}
	return visit{User: u, Cookie: id}
}

// signedIn deletes the cookie, as the gem does, once the assignment has moved
// to the user.
func signedIn(cookies *glex.RailsCookies, w http.ResponseWriter) {
	c := cookies.Expired("shop_pill_color")
	c.Domain = "example.com"
	http.SetCookie(w, c)
}

// endregion

func ownKey(gemSecret []byte) func(*user) core.Unit {
	// region ownkeys
	unit := func(u *user) core.Unit {
		before, err := glex.Scheme{}.Key(gemSecret, "shop_pill_color",
			[]core.Attr{glex.GlobalID("actor", "shop", "User", u.ID)})
		if err != nil {
			return core.Actor(u.ID)
		}
		return core.Actor(u.ID).MigratedFrom(core.UnitFromKey(before))
	}
	// endregion
	return unit
}

// runGem plays the gem: it looks into the shared store, draws, and stores what
// is not control.
func runGem(t *testing.T, shared *gemStore, v visit) string {
	t.Helper()
	c := glex.Context{Attrs: []core.Attr{glex.Nil("actor")}, Cookie: v.Cookie}
	if v.User != nil {
		c.Attrs[0] = glex.GlobalID("actor", "shop", "User", v.User.ID)
	}
	const name = "shop_pill_color"
	key, older, err := c.Keys(glex.Scheme{}, recordedSecret, name)
	require.NoError(t, err)
	for _, k := range append([]string{key}, older...) {
		if variant := shared.hashes[name][k]; variant != "" {
			delete(shared.hashes[name], k)
			shared.put(name, key, variant)
			return variant
		}
	}
	drawn, err := draw(glex.Draw{Version: glex.V07, IncludeControl: true, Array: []float64{50, 25, 25}}, name, key, pills)
	require.NoError(t, err)
	if drawn != core.Control {
		shared.put(name, key, drawn)
	}
	return drawn
}

func TestMigrationMovesNobody(t *testing.T) {
	const n = 2000
	shared := newGemStore()
	visits := make([]visit, n)
	for i := range visits {
		if i%4 == 0 {
			visits[i] = visit{Cookie: fmt.Sprintf("visitor-%d", i)}
		} else {
			visits[i] = visit{User: &user{fmt.Sprint(i)}}
		}
	}
	seen := map[int]string{}
	see := func(phase string, i int, variant string) {
		t.Helper()
		if seen[i] == "" {
			seen[i] = variant
		}
		require.Equal(t, seen[i], variant, "%s moved %d: %+v", phase, i, visits[i])
	}
	visitGo := func(phase string, store core.Store, def core.Definition[visit, string], isRuby func(i int) bool) {
		t.Helper()
		client, err := gemSettings([]byte(recordedSecret), store)
		require.NoError(t, err)
		e, err := core.Define(client, def)
		require.NoError(t, err)
		for i, v := range visits {
			if isRuby(i) {
				see(phase, i, runGem(t, shared, v))
				continue
			}
			a := e.Assign(context.Background(), v)
			require.NoError(t, a.Err)
			require.True(t, a.Tracked)
			see(phase, i, a.Variant)
		}
	}
	never, always := func(int) bool { return false }, func(int) bool { return true }
	everyThird := func(i int) bool { return i%3 == 0 }

	visitGo("half of them before there is any Go", shared, pillColor, func(i int) bool { return i < n/2 })
	visitGo("side by side", shared, pillColor, everyThird)
	visitGo("back to Ruby", shared, pillColor, always)
	for i := range visits {
		if i%40 == 0 && seen[i] != core.Control {
			visits[i].User = &user{fmt.Sprint("new ", i)}
		}
	}
	visitGo("some visitors sign in, on either side", shared, pillColor, everyThird)

	// Ruby is gone: the store changes, and keeps controls too.
	store := memstore.New(nil)
	// region migrate
	migrating := glex.Migrate(shared, store) // from a glexstore to a redisstore
	// endregion
	def := pillColor
	def.StickyControl = true
	visitGo("migrating", migrating, def, never)
	visitGo("without the gem's store", store, def, never)
	def.Rollout = percent.New(percent.Weights{"control": 10, "red": 45, "blue": 45})
	visitGo("another rollout", store, def, never)

	// And the core's own keys.
	client, err := core.New(core.Config{KeySecret: []byte("a secret of thirty-two bytes ..."), NamePrefix: "shop", Store: store})
	require.NoError(t, err)
	e, err := core.Define(client, core.Definition[*user, string]{
		Name: "pill_color", Unit: ownKey([]byte(recordedSecret)), StickyControl: true,
		Variants: []core.Variant[*user, string]{{Name: "red"}, {Name: "blue"}},
		Rollout:  def.Rollout,
	})
	require.NoError(t, err)
	counts := map[string]int{}
	for i, v := range visits {
		if v.User != nil {
			see("own keys", i, e.Assign(context.Background(), v.User).Variant)
		}
		counts[seen[i]]++
	}
	require.Len(t, counts, 3, "controls are among those who stay")
}

func TestVisitorKeepsTheCookieThroughBothSides(t *testing.T) {
	cookies, err := glex.NewRailsCookies(glex.RailsKey{SecretKeyBase: "secret"})
	require.NoError(t, err)
	w, first := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	v := visitorOf(cookies, w, first, nil)
	require.NotEmpty(t, v.Cookie)
	set := w.Result().Cookies()[0]
	require.Equal(t, "example.com", set.Domain)

	back := httptest.NewRequest("GET", "/", nil)
	back.AddCookie(set)
	w = httptest.NewRecorder()
	require.Equal(t, v, visitorOf(cookies, w, back, nil))
	u := &user{"7"}
	require.Equal(t, visit{User: u, Cookie: v.Cookie}, visitorOf(cookies, w, back, u))
	require.Empty(t, w.Result().Cookies(), "no other cookie")

	w = httptest.NewRecorder()
	signedIn(cookies, w)
	gone := w.Result().Cookies()[0]
	require.Equal(t, set.Name, gone.Name)
	require.Equal(t, set.Domain, gone.Domain)
	require.Negative(t, gone.MaxAge)
}
