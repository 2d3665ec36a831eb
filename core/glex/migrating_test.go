package glex_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/providers/percent"
	"github.com/stretchr/testify/require"
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
		Store:            shared,                 // redisstore with GLEXLayout, on the gem's Redis
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

// The gem is played by the functions that the comparison with it holds to it:
// it looks into the shared store, draws, and stores what is not control.
func runGem(t *testing.T, shared *layout, v visit) string {
	t.Helper()
	actor := glex.Nil("actor")
	if v.User != nil {
		actor = glex.GlobalID("actor", "shop", "User", v.User.ID)
	}
	key, older, err := glex.Context{Attrs: []core.Attr{actor}, Cookie: v.Cookie}.
		Keys(glex.Scheme{}, []byte(goldenSecret), "shop_pill_color")
	require.NoError(t, err)
	e, _, ok, err := shared.Load(context.Background(), "shop_pill_color", key, older)
	require.NoError(t, err)
	if ok {
		return e.Variant
	}
	drawn, err := glex.Draw{Version: glex.V07, IncludeControl: true, Array: []float64{50, 25, 25}}.Pick("shop_pill_color", key, pills)
	require.NoError(t, err)
	if drawn != core.Control {
		shared.put("shop_pill_color", key, drawn)
	}
	return drawn
}

func TestMigrationMovesNobody(t *testing.T) {
	const n = 2000
	shared := newLayout()
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
	goes := func(phase string, store core.Store, def core.Definition[visit, string]) {
		t.Helper()
		client, err := gemSettings([]byte(goldenSecret), store)
		require.NoError(t, err)
		e, err := core.Define(client, def)
		require.NoError(t, err)
		for i, v := range visits {
			if phase == "side by side" && i%3 == 0 {
				see(phase, i, runGem(t, shared, v))
				continue
			}
			a := e.Assign(context.Background(), v)
			require.NoError(t, a.Err)
			require.True(t, a.Tracked)
			see(phase, i, a.Variant)
		}
	}

	for i := range n / 2 { // half of them before there is any Go
		see("gem alone", i, runGem(t, shared, visits[i]))
	}
	goes("side by side", shared, pillColor)
	for i, v := range visits {
		see("back to Ruby", i, runGem(t, shared, v))
	}
	for i := range visits { // some visitors sign in, on either side
		if i%40 == 0 && seen[i] != core.Control {
			visits[i].User = &user{fmt.Sprint("new ", i)}
		}
	}
	goes("side by side", shared, pillColor)

	// Ruby is gone: the store changes, and keeps controls too.
	store := core.NewMemoryStore(nil)
	// region takeover
	moving := glex.TakeOver(shared, store) // redisstore with GLEXLayout, and one without
	// endregion
	def := pillColor
	def.StickyControl = true
	goes("taking over", moving, def)
	goes("without the gem's store", store, def)

	// Another draw.
	def.Rollout = percent.New(percent.Weights{"control": 10, "red": 45, "blue": 45})
	goes("another rollout", store, def)

	// And the core's own keys.
	client, err := core.New(core.Config{KeySecret: []byte("a secret of thirty-two bytes ..."), NamePrefix: "shop", Store: store})
	require.NoError(t, err)
	e, err := core.Define(client, core.Definition[*user, string]{
		Name: "pill_color", Unit: ownKey([]byte(goldenSecret)), StickyControl: true,
		Variants: []core.Variant[*user, string]{{Name: "red"}, {Name: "blue"}},
		Rollout:  def.Rollout,
	})
	require.NoError(t, err)
	for i, v := range visits {
		if v.User != nil {
			see("own keys", i, e.Assign(context.Background(), v.User).Variant)
		}
	}
	counts := map[string]int{}
	for _, v := range seen {
		counts[v]++
	}
	require.Len(t, counts, 3, "controls are among those who stay")
}

func TestVisitorKeepsTheCookieThroughBothSides(t *testing.T) {
	cookies, err := glex.NewRailsCookies(glex.RailsKey{SecretKeyBase: "secret"})
	require.NoError(t, err)

	w := httptest.NewRecorder()
	v := visitorOf(cookies, w, httptest.NewRequest("GET", "/", nil), nil)
	require.NotEmpty(t, v.Cookie)
	set := w.Result().Cookies()
	require.Len(t, set, 1)
	require.Equal(t, "example.com", set[0].Domain)

	back := httptest.NewRequest("GET", "/", nil)
	back.AddCookie(set[0])
	w = httptest.NewRecorder()
	require.Equal(t, v, visitorOf(cookies, w, back, nil))
	require.Empty(t, w.Result().Cookies())

	u := &user{"7"}
	require.Equal(t, visit{User: u, Cookie: v.Cookie}, visitorOf(cookies, w, back, u))
	w = httptest.NewRecorder()
	signedIn(cookies, w)
	gone := w.Result().Cookies()
	require.Len(t, gone, 1)
	require.Equal(t, set[0].Name, gone[0].Name)
	require.Negative(t, gone[0].MaxAge)
}
