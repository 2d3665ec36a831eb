package web_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/core/web"
)

const pillCookie = "shop_pill_color_id"

func TestCookieKeepsTheVariant(t *testing.T) {
	s := newShop(t, nil)
	b := s.browser()
	page := b.get("/")
	require.Equal(t, "red resolved", page.body)
	require.Len(t, s.events.Take(), 1)
	require.Zero(t, s.store.writes)
	require.Len(t, page.cookies, 1)
	c := page.cookies[0]
	require.Equal(t, pillCookie, c.Name)
	require.True(t, c.HttpOnly && c.Secure)
	require.Equal(t, http.SameSiteLaxMode, c.SameSite)
	require.Equal(t, 180*24*60*60, c.MaxAge)
	require.Equal(t, "/", c.Path)

	s.flag.Variant = "blue"
	page = b.get("/")
	require.Equal(t, "red stored", page.body)
	require.Empty(t, page.cookies, "it is set once")
	require.Equal(t, 1, s.store.writes)
	require.Equal(t, "blue resolved", s.visit("/").body)

	page = b.get("/?user=anna")
	require.Equal(t, "red stored", page.body)
	require.Len(t, page.cookies, 1)
	require.Negative(t, page.cookies[0].MaxAge)
	require.Empty(t, b.cookies())
	require.Equal(t, "red stored", s.visit("/?user=anna").body, "on every device")
}

func TestForgedCookiesAreIgnored(t *testing.T) {
	s := newShop(t, nil)
	button := s.define(definition{Name: "button"})
	s.page = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/id" {
			_, _ = io.WriteString(w, web.AnonymousID(r, "shop_pill_color"))
			return
		}
		s.pill.Publish(r.Context(), "")
		button.Publish(r.Context(), "")
	}
	id := func(value string) string {
		return s.visit("/id", &http.Cookie{Name: pillCookie, Value: value, Secure: true}).body
	}
	cookies := map[string]string{}
	for _, c := range s.visit("/").cookies {
		cookies[c.Name] = c.Value
	}
	pill := cookies[pillCookie]
	require.NotEmpty(t, id(pill))

	text, signature, _ := strings.Cut(pill, ".")
	foreign := newShop(t, func(c *core.Config, _ *web.Config) { c.KeySecret = []byte(strings.Repeat("x", 32)) })
	for name, value := range map[string]string{
		"empty":             "",
		"no signature":      text,
		"empty signature":   text + ".",
		"another's":         cookies["shop_button_id"],
		"changed":           flip(text) + "." + signature,
		"signature changed": text + "." + flip(signature),
		"foreign secret":    foreign.visit("/").cookies[0].Value,
		"too long":          text + "." + strings.Repeat("A", 2000),
		"not base64":        text + ".!!!",
		"last bits changed": pill[:len(pill)-1] + string(pill[len(pill)-1]+1),
	} {
		t.Run(name, func(t *testing.T) { require.Empty(t, id(value)) })
	}
}

// flip changes the first letter.
func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

func TestCookiesAgeOut(t *testing.T) {
	read := func(s *shop, c *http.Cookie) string { return s.visit("/", c).body }
	future := newShop(t, nil).visit("/").cookies[0]
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		c := s.visit("/").cookies[0]
		s.flag.Variant = "blue"
		require.Equal(t, "blue resolved", read(s, future), "the clock of this bubble is years behind")
		time.Sleep(179 * 24 * time.Hour)
		require.Equal(t, "red stored", read(s, c))
		time.Sleep(2 * 24 * time.Hour)
		require.Equal(t, "blue resolved", read(s, c))
	})
}

func TestCookiesSurviveARotationOfSecrets(t *testing.T) {
	old, next := []byte(strings.Repeat("o", 32)), []byte(strings.Repeat("n", 32))
	cookie := newShop(t, func(c *core.Config, _ *web.Config) { c.KeySecret = old }).visit("/").cookies[0]
	s := newShop(t, func(c *core.Config, _ *web.Config) { c.KeySecret, c.PreviousSecrets = next, [][]byte{old} })
	s.flag.Variant = "blue"
	require.Equal(t, "red stored", s.visit("/", cookie).body)
}

func TestCookieOptions(t *testing.T) {
	s := newShop(t, func(_ *core.Config, c *web.Config) {
		c.Cookies = web.Cookies{Host: true, SameSite: http.SameSiteStrictMode, MaxAge: time.Hour,
			Name: func(experiment string) string { return "v." + experiment }}
	})
	c := s.visit("/").cookies[0]
	require.Equal(t, "__Host-v.shop_pill_color", c.Name)
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(t, 3600, c.MaxAge)

	s = newShop(t, func(_ *core.Config, c *web.Config) {
		c.Insecure, c.Cookies = true, web.Cookies{Domain: "example.com", Path: "/shop"}
	})
	slash := s.define(definition{Name: "cart/button"})
	s.page = func(_ http.ResponseWriter, r *http.Request) { slash.Publish(r.Context(), "") }
	c = s.visit("/shop").cookies[0]
	require.Equal(t, "shop_cart~button_id", c.Name)
	require.Equal(t, "example.com", c.Domain)
	require.Equal(t, "/shop", c.Path)
	require.False(t, c.Secure)
}

func TestEachExperimentHasItsOwnCookie(t *testing.T) {
	s := newShop(t, nil)
	var experiments []*experiment
	for _, name := range strings.Split("abcdefghij", "") {
		experiments = append(experiments, s.define(definition{Name: name}))
	}
	s.page = func(_ http.ResponseWriter, r *http.Request) {
		for _, e := range experiments {
			go e.Publish(r.Context(), "") // perhaps after the header is sent
			e.Publish(r.Context(), "")
		}
	}
	require.Len(t, s.visit("/").cookies, 10)
}

// Visitors whom GitLab's gem gave a cookie keep their id.
func TestVisitorsOfAnotherSystemKeepTheirID(t *testing.T) {
	rails, err := glex.NewRailsCookies(glex.RailsKey{SecretKeyBase: strings.Repeat("s", 64)})
	require.NoError(t, err)
	s := newShop(t, func(_ *core.Config, c *web.Config) {
		c.Visitor = func(r *http.Request, experiment string) string {
			id, err := rails.Read(r, experiment)
			if err != nil {
				return ""
			}
			return id
		}
		c.ExpireVisitor = rails.Expired
		c.Cookies.Name = func(experiment string) string { return experiment + "_visitor" } // beside the gem's
	})
	id := glex.NewVisitorID()
	require.Equal(t, "red", s.pill.Assign(context.Background(), id).Variant)
	s.flag.Variant = "blue"
	b := s.browser()
	theirs := rails.New("shop_pill_color", id)
	b.jar.SetCookies(base, []*http.Cookie{theirs})
	require.Equal(t, "red stored", b.get("/").body, "the id is an actor")
	require.Len(t, b.cookies(), 2, "theirs and ours")
	require.Equal(t, "red stored", b.get("/?user=anna").body)
	require.Empty(t, b.cookies(), "both are gone")

	theirs.Value = "x" + theirs.Value
	require.Equal(t, "blue resolved", s.visit("/", theirs).body, "forged")
}

// FuzzCookie: what is not signed is no visitor, and what is signed comes back.
func FuzzCookie(f *testing.F) {
	s := newShop(f, nil)
	write := func(v core.Visitor) (value string) {
		s.page = func(_ http.ResponseWriter, r *http.Request) { core.ScopeOf(r.Context()).Keep("shop_pill_color", v) }
		return s.visit("/").cookies[0].Value
	}
	read := func(experiment, value string) (v core.Visitor) {
		s.page = func(_ http.ResponseWriter, r *http.Request) { v = core.ScopeOf(r.Context()).Visitor(experiment, false) }
		s.browser().with("Cookie", experiment+"_id="+value).get("/")
		return v
	}
	genuine := write(core.Visitor{ID: "id"})
	for _, forged := range []string{"", ".", "AQ.AQ", genuine, genuine + "=", genuine[1:]} {
		f.Add("id", "red", forged)
	}
	f.Fuzz(func(t *testing.T, id, variant, forged string) {
		v := read("shop_pill_color", forged)
		require.True(t, v == core.Visitor{} || strings.Contains(forged, genuine), "%v", v)
		want := core.Visitor{ID: id, Unit: variant, Entry: core.Entry{Variant: variant, Previous: id, Origin: core.SourceForced, Open: forged}}
		value := write(want)
		if id == "" || len(id) > 200 || len(value) > 1024 {
			want = core.Visitor{}
		}
		require.Equal(t, want, read("shop_pill_color", value))
		require.Zero(t, read("shop_button", value), "it is bound to the name")
	})
}
