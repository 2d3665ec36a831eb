package web_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

// canary is what must not get out.
const canary = "canary.7f3a@mail.example"

// A spy notes all that a store is told.
type spy struct {
	core.Store
	told *bytes.Buffer
}

func (s spy) Load(ctx context.Context, experiment, key string, older []string) (core.Entry, []string, bool, error) {
	fmt.Fprintln(s.told, experiment, key, older)
	return s.Store.Load(ctx, experiment, key, older)
}

func (s spy) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
	fmt.Fprintln(s.told, experiment, key, old, e)
	return s.Store.Claim(ctx, experiment, key, old, e)
}

func (s spy) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	fmt.Fprintln(s.told, experiment, key, e)
	return s.Store.Save(ctx, experiment, key, e)
}

// A unit has an e-mail address in every attribute, and so has every query. It is
// nowhere in the log, the events, the store, the cookies, the responses, and
// what the flag system learns; not even when everything fails.
func TestCanary(t *testing.T) {
	var out bytes.Buffer // all that leaves
	broken := false
	l := newLab(t, func(c *core.Config, w *web.Config) {
		c.Store = spy{core.NewMemoryStore(nil), &out}
		c.AllowForced = true
		c.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Tracker = core.TrackerFunc(func(_ context.Context, e core.Event) error { fmt.Fprintf(&out, "%+v\n", e); return nil })
		c.Rollout = core.RolloutFunc(func(_ context.Context, r core.Request) (core.Decision, error) {
			fmt.Fprintf(&out, "%+v\n", r)
			if broken {
				return core.Decision{}, fmt.Errorf("the flag system is down")
			}
			return core.Decision{State: core.Conditional, Variant: "red"}, nil
		})
		w.Logger = c.Logger
		w.MayForce = func(*http.Request) bool { return true }
		w.Redirect = web.AllowHosts("shop.example")
		w.ClientEvent = func(context.Context, string, *core.Event) bool { panic("broken") }
	})
	exp := core.MustDefine(l.client, core.Definition[string, string]{
		Name: "canary",
		Unit: func(id string) core.Unit {
			return core.NewUnit(core.String("actor", id), core.String("email", canary), core.String("project", "of "+canary)).
				MigratedWith(core.String("email", "old-"+canary)).MigratedFrom(core.Actor(canary))
		},
		Variants:   []core.Variant[string, string]{{Name: "red"}, {Name: "blue"}},
		Exclusions: []core.Rule[string]{{Name: "broken", If: func(context.Context, string) bool { return broken }}},
	})
	tests := 0
	l.page = func(w http.ResponseWriter, r *http.Request) {
		tests++
		user := ""
		if r.URL.Query().Has("user") {
			user = canary
		}
		a := exp.Publish(r.Context(), user)
		_ = exp.Track(r.Context(), user, core.Event{Action: "clicked"})
		path, _ := l.site.LinkPath(a.Signature(), "https://shop.example/")
		fmt.Fprintf(w, "%+v %s %s", a, path, web.Script(r.Context(), ""))
	}
	b := l.browser().asPage()
	query := "?email=" + url.QueryEscape(canary) + "&raw=" + canary
	visit := func(method, path, body string) {
		text, resp := b.do(method, path, body)
		fmt.Fprintln(&out, text, resp.Header)
	}
	for _, broken = range []bool{false, true} {
		visit(http.MethodGet, "/"+query, "")
		visit(http.MethodGet, "/"+query+"&glex_force=shop_canary:blue", "")
		visit(http.MethodGet, "/"+query+"&glex_force="+canary+":blue", "")
		visit(http.MethodGet, "/"+query+"&user", "")
		visit(http.MethodGet, "/experiment/shop_canary:"+canary+"?https://evil.example/"+query, "")
		visit(http.MethodGet, "/experiment/"+canary+":abc?https://shop.example/", "")
		visit(http.MethodPost, "/experiment/track", `{"action":"`+canary+`"}`)
	}
	text := out.String()
	require.Equal(t, 8, tests)
	require.Greater(t, len(text), 10_000)
	require.Contains(t, text, "shop_canary")
	for _, part := range []string{canary, url.QueryEscape(canary), "canary.7f3a", "mail.example"} {
		require.Zero(t, strings.Count(text, part), "%q got out", part)
	}
}

// A flood without cookies writes nothing, whatever runs.
func TestFloodWithoutCookiesStoresNothing(t *testing.T) {
	l := newLab(t, nil)
	handler := l.site.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := l.exp.Publish(r.Context(), "")
		_ = l.exp.Track(r.Context(), "", core.Event{Action: "clicked"})
		_, _ = io.WriteString(w, a.Variant)
	}))
	for range 2000 {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	require.Zero(t, l.store.count())
	require.Zero(t, l.store.bytes)
	require.Len(t, l.events.Take(), 4000)
}
