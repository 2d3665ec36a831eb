package web_test

import (
	"context"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

// A shown experiment is what a page's JavaScript knows.
type shown struct {
	Variant, Experiment, Key, Token string
	Excluded                        bool
}

// withScript has the page publish and show what web.Script gives.
func (s *shop) withScript(nonce string) *shop {
	s.page = func(w http.ResponseWriter, r *http.Request) {
		s.pill.Publish(r.Context(), r.URL.Query().Get("user"))
		_, _ = w.Write([]byte(web.Script(r.Context(), nonce)))
	}
	return s
}

// shownPill reads the data block of a page.
func shownPill(t testing.TB, page string) shown {
	t.Helper()
	_, rest, _ := strings.Cut(page, ">")
	block, _, ok := strings.Cut(rest, "</script>")
	require.True(t, ok, page)
	var all map[string]shown
	require.NoError(t, json.Unmarshal([]byte(block), &all))
	return all["shop_pill_color"]
}

func TestScript(t *testing.T) {
	s := newShop(t, nil).withScript(`"><b>`)
	page := s.visit("/?user=anna").body
	require.True(t, strings.HasPrefix(page, `<script type="application/json" id="experiments" data-track="/experiment/track">{`), page)
	require.True(t, strings.HasSuffix(page, `</script><script nonce="&#34;&gt;&lt;b&gt;" src="/experiment/client.js" defer></script>`), page)
	e := shownPill(t, page)
	require.NotEmpty(t, e.Token)
	e.Token = ""
	key := s.pill.Assign(context.Background(), "anna").Key
	require.Equal(t, shown{Variant: "red", Experiment: "shop_pill_color", Key: key}, e)
	require.Empty(t, web.Script(context.Background(), ""), "outside of a request")
	e = shownPill(t, s.browser().with("Sec-GPC", "1").get("/?user=anna").body)
	require.Equal(t, shown{Variant: "red", Experiment: "shop_pill_color", Key: key}, e, "nothing is tracked, so no token")

	s = newShop(t, func(_ *core.Config, w *web.Config) { w.Mount = "" }).withScript("")
	page = s.visit("/?user=anna").body
	require.Empty(t, shownPill(t, page).Token, "nobody takes events")
	require.Contains(t, page, "customElements.define", "the client is inline")
}

func TestClientIsSmall(t *testing.T) {
	page := newShop(t, nil).visit("/experiment/client.js")
	require.Equal(t, "text/javascript; charset=utf-8", page.header.Get("Content-Type"))
	client := page.body
	require.Less(t, len(client), 2048, "as it is, comments and all")
	require.NotContains(t, strings.ToLower(client), "</script", "it may be inline")
	require.NotContains(t, client, "<!--")
	for _, name := range []string{"published", "variant(", "track(", "experiment-slot"} {
		require.Contains(t, web.TypeScript, name)
	}
}

func TestPublished(t *testing.T) {
	s := newShop(t, nil)
	out := s.define(definition{Name: "out", Exclusions: []core.Rule[string]{{If: func(context.Context, string) bool { return true }}}})
	off := s.define(definition{Name: "off", Enabled: func(context.Context) bool { return false }})
	tmpl := template.Must(template.New("").Funcs(web.Funcs()).Parse(
		`{{if eq (variant . "shop_pill_color") "red"}}red{{else}}grey{{end}} {{variant . "shop_out"}} {{(experiment . "shop_pill_color").Key}}`))
	render := func(ctx context.Context) string {
		var b strings.Builder
		require.NoError(t, tmpl.Execute(&b, ctx))
		return b.String()
	}
	var got []core.Signature
	var before, after string
	s.page = func(_ http.ResponseWriter, r *http.Request) {
		s.pill.Assign(r.Context(), "anna")
		before = render(r.Context())
		s.pill.Publish(r.Context(), "anna")
		out.Publish(r.Context(), "anna")
		off.Publish(r.Context(), "anna")
		got, after = web.Published(r.Context()), render(r.Context())
	}
	s.visit("/")
	require.Len(t, got, 2)
	require.Equal(t, "red", got[0].Variant)
	require.True(t, got[1].Excluded)
	require.Equal(t, "grey control ", before, "assigned is not published")
	require.Equal(t, "red control "+got[0].Key, after)
}

func TestPublishedHandler(t *testing.T) {
	s := newShop(t, nil)
	s.page = web.PublishedHandler(func(r *http.Request) { s.pill.Publish(r.Context(), "") }).ServeHTTP
	page := s.visit("/experiments.json")
	require.Equal(t, "application/json", page.header.Get("Content-Type"))
	require.Equal(t, "no-store", page.header.Get("Cache-Control"))
	require.Len(t, page.cookies, 1)
	var all map[string]shown
	require.NoError(t, json.Unmarshal([]byte(page.body), &all))
	require.NotEmpty(t, all["shop_pill_color"].Token)
}

// event is what the client posts for the experiment, with some fields changed.
func (e shown) event(t testing.TB, change map[string]any) string {
	all := map[string]any{"experiment": e.Experiment, "key": e.Key, "token": e.Token, "action": "clicked", "value": 2.5, "label": "l", "property": "p"}
	for k, v := range change {
		all[k] = v
	}
	body, err := json.Marshal(all)
	require.NoError(t, err)
	return string(body)
}

// asPage has the browser send what a page's fetch does.
func (b *browser) asPage() *browser {
	return b.with("Origin", "https://"+base.Host).with("Content-Type", "application/json; charset=utf-8")
}

// track posts an event.
func (b *browser) track(event string) response {
	return b.do(http.MethodPost, "/experiment/track", event)
}

const partner = "https://www.shop.example"

func TestClientEvents(t *testing.T) {
	s := newShop(t, func(_ *core.Config, w *web.Config) { w.Origins = []string{partner} }).withScript("")
	b := s.browser().asPage()
	e := shownPill(t, b.get("/").body)
	s.events.Take()
	require.Equal(t, http.StatusNoContent, b.track(e.event(t, nil)).status)
	events := s.events.Take()
	require.Len(t, events, 1, "the first page counts, although nothing is stored")
	require.Zero(t, s.store.writes)
	got := events[0]
	require.Equal(t, []any{"clicked", 2.5, "l", "p", "red", e.Key, core.SourceResolved},
		[]any{got.Action, got.Value, got.Label, got.Property, got.Variant, got.Key, got.Origin})

	t.Run("same origin by Sec-Fetch-Site alone", func(t *testing.T) {
		b := s.browser().asPage().with("Origin", "").with("Sec-Fetch-Site", "same-origin")
		require.Equal(t, http.StatusNoContent, b.track(e.event(t, nil)).status)
		require.Len(t, s.events.Take(), 1)
	})
	t.Run("another origin that may", func(t *testing.T) {
		b := s.browser().asPage().with("Origin", partner).with("Sec-Fetch-Site", "same-site")
		resp := b.track(e.event(t, nil))
		require.Equal(t, http.StatusNoContent, resp.status)
		require.Equal(t, partner, resp.header.Get("Access-Control-Allow-Origin"))
		resp = b.do(http.MethodOptions, "/experiment/track", "")
		require.Equal(t, http.StatusNoContent, resp.status)
		require.Equal(t, "Content-Type", resp.header.Get("Access-Control-Allow-Headers"))
		require.Len(t, s.events.Take(), 1)
	})

	for name, c := range map[string]struct {
		header, value string
		change        map[string]any
		status        int
	}{
		"neither header":    {header: "Origin", status: 403},
		"null origin":       {header: "Origin", value: "null", status: 403},
		"another origin":    {header: "Origin", value: "https://evil.example", status: 403},
		"another site":      {header: "Sec-Fetch-Site", value: "cross-site", status: 403},
		"a form":            {header: "Content-Type", value: "text/plain", status: 415},
		"a number as text":  {change: map[string]any{"value": "2.5"}, status: 400},
		"no action":         {change: map[string]any{"action": ""}, status: 400},
		"the automatic one": {change: map[string]any{"action": "assignment"}, status: 400},
		"long label":        {change: map[string]any{"label": strings.Repeat("l", 501)}, status: 400},
		"too long":          {change: map[string]any{"more": strings.Repeat("l", 5000)}, status: 413},
		"no token":          {change: map[string]any{"token": ""}, status: 403},
		"another key":       {change: map[string]any{"key": strings.Repeat("0", 64)}, status: 403},
		"another name":      {change: map[string]any{"experiment": "shop_button"}, status: 403},
		"no tracking":       {header: "Sec-GPC", value: "1", status: 202},
	} {
		t.Run(name, func(t *testing.T) {
			b := s.browser().asPage().with(c.header, c.value)
			require.Equal(t, c.status, b.track(e.event(t, c.change)).status)
			require.Empty(t, s.events.Take())
		})
	}
	t.Run("no POST", func(t *testing.T) {
		require.Equal(t, http.StatusMethodNotAllowed, s.browser().asPage().get("/experiment/track").status)
	})
}

func TestPagesOlderThanADaySendNoEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil).withScript("")
		e := shownPill(t, s.visit("/").body)
		status := func() int { return s.browser().asPage().track(e.event(t, nil)).status }
		time.Sleep(24 * time.Hour)
		require.Equal(t, http.StatusNoContent, status())
		time.Sleep(time.Second)
		require.Equal(t, http.StatusForbidden, status())
	})
}

func TestClientEventHook(t *testing.T) {
	s := newShop(t, func(_ *core.Config, w *web.Config) {
		w.ClientEvent = func(_ context.Context, experiment string, ev *core.Event) bool {
			if ev.Action == "panic" {
				panic(experiment)
			}
			ev.Label = "seen"
			return ev.Action == "clicked"
		}
	}).withScript("")
	b := s.browser().asPage()
	e := shownPill(t, b.get("/").body)
	s.events.Take()
	for action, status := range map[string]int{"clicked": 204, "other": 202, "panic": 202} {
		t.Run(action, func(t *testing.T) {
			require.Equal(t, status, b.track(e.event(t, map[string]any{"action": action})).status)
			events := s.events.Take()
			require.Equal(t, status == 204, len(events) == 1)
			if len(events) == 1 {
				require.Equal(t, "seen", events[0].Label)
			}
		})
	}
}
