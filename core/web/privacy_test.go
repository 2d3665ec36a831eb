package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

func TestWhoMustNotBeTracked(t *testing.T) {
	yes, no := func(*http.Request) bool { return true }, func(*http.Request) bool { return false }
	broken := func(*http.Request) bool { panic("broken") }
	for name, c := range map[string]struct {
		cfg    web.Config
		header string
		silent bool
	}{
		"nobody":         {},
		"DNT":            {header: "DNT", silent: true},
		"GPC":            {header: "Sec-GPC", silent: true},
		"GPC ignored":    {cfg: web.Config{IgnorePrivacySignals: true}, header: "Sec-GPC"},
		"consent":        {cfg: web.Config{Consent: yes}},
		"no consent":     {cfg: web.Config{Consent: no}, silent: true},
		"consent panics": {cfg: web.Config{Consent: broken}, silent: true},
		"bot":            {cfg: web.Config{Bot: yes}, silent: true},
		"no bot":         {cfg: web.Config{Bot: no}},
		"bot panics":     {cfg: web.Config{Bot: broken}, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, func(_ *core.Config, cfg *web.Config) {
				c.cfg.Logger = cfg.Logger
				*cfg = c.cfg
			})
			b := s.browser().with(c.header, "1")
			visitor := b.get("/").body
			require.Equal(t, "red", b.get("/?user=anna").body[:3], "who is known sees the variant")
			if c.silent {
				require.Equal(t, "control no-unit", visitor)
				require.Empty(t, b.cookies())
				require.Empty(t, s.events.Take())
			} else {
				require.Equal(t, "red resolved", visitor)
				require.Len(t, s.events.Take(), 2)
			}
		})
	}
}

func TestVisitorWithACookieKeepsTheVariantUnderGPC(t *testing.T) {
	s := newShop(t, nil)
	b := s.browser()
	b.get("/")
	s.events.Take()
	s.flag.Variant = "blue"
	require.Equal(t, "red stored", b.with("Sec-GPC", "1").get("/").body)
	require.Empty(t, s.events.Take())
}

// personal is what must not get out.
const personal = "canary.7f3a@mail.example"

// A unit has an e-mail address in every attribute, and so has every query. It is
// nowhere in the log, the events, the store, the cookies, the responses, and
// what the flag system learns; not even when everything fails.
func TestPersonalDataNeverLeave(t *testing.T) {
	var out bytes.Buffer // all that leaves
	broken := false
	s := newShop(t, func(c *core.Config, w *web.Config) {
		c.AllowForced = true
		c.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Tracker = core.TrackerFunc(func(_ context.Context, e core.Event) error { fmt.Fprintf(&out, "%+v\n", e); return nil })
		c.Rollout = core.RolloutFunc(func(_ context.Context, r core.Request) (core.Decision, error) {
			fmt.Fprintf(&out, "%+v\n", r)
			if broken {
				return core.Decision{}, errors.New("the flag system is down")
			}
			return core.Decision{State: core.Conditional, Variant: "red"}, nil
		})
		w.Logger = c.Logger
		w.MayForce = func(*http.Request) bool { return true }
		w.Redirect = web.AllowHosts("shop.example")
		w.ClientEvent = func(context.Context, string, *core.Event) bool { panic("broken") }
	})
	exp := s.define(definition{
		Name: "personal",
		Unit: func(id string) core.Unit {
			return core.NewUnit(core.String("actor", id), core.String("email", personal), core.String("project", "of "+personal)).
				MigratedWith(core.String("email", "old-"+personal)).MigratedFrom(core.Actor(personal))
		},
		Exclusions: []core.Rule[string]{{Name: "broken", If: func(context.Context, string) bool { return broken }}},
	})
	pages := 0
	s.page = func(w http.ResponseWriter, r *http.Request) {
		pages++
		user := ""
		if r.URL.Query().Has("user") {
			user = personal
		}
		a := exp.Publish(r.Context(), user)
		_ = exp.Track(r.Context(), user, core.Event{Action: "clicked"})
		path, _ := s.site.LinkPath(a.Signature(), "https://shop.example/")
		fmt.Fprintf(w, "%+v %s %s", a, path, web.Script(r.Context(), ""))
	}
	b := s.browser().asPage()
	query := "?email=" + url.QueryEscape(personal) + "&raw=" + personal
	for _, broken = range []bool{false, true} {
		for _, c := range [][3]string{
			{http.MethodGet, "/" + query},
			{http.MethodGet, "/" + query + "&glex_force=shop_personal:blue"},
			{http.MethodGet, "/" + query + "&glex_force=" + personal + ":blue"},
			{http.MethodGet, "/" + query + "&user"},
			{http.MethodGet, "/experiment/shop_personal:" + personal + "?https://evil.example/" + query},
			{http.MethodGet, "/experiment/" + personal + ":abc?https://shop.example/"},
			{http.MethodPost, "/experiment/track", `{"action":"` + personal + `"}`},
		} {
			page := b.do(c[0], c[1], c[2])
			fmt.Fprintln(&out, page.body, page.header)
		}
	}
	text := out.String() + s.store.told.String()
	require.Equal(t, 8, pages)
	require.Greater(t, len(text), 10_000)
	require.Contains(t, text, "shop_personal")
	for _, part := range []string{personal, url.QueryEscape(personal), "canary.7f3a", "mail.example"} {
		require.NotContains(t, text, part)
	}
}
