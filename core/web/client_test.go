package web_test

import (
	"context"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

// shown is what a page's JavaScript knows of an experiment.
type shown struct {
	Variant, Experiment, Key, Token string
	Excluded                        bool
}

// script shows what web.Script gives for a page that publishes.
func (l *lab) script(nonce string) {
	l.page = func(w http.ResponseWriter, r *http.Request) {
		l.exp.Publish(r.Context(), r.URL.Query().Get("user"))
		_, _ = w.Write([]byte(web.Script(r.Context(), nonce)))
	}
}

// dataBlock returns the content of the first script element.
func dataBlock(t testing.TB, page string) string {
	_, rest, ok := strings.Cut(page, ">")
	require.True(t, ok)
	block, _, ok := strings.Cut(rest, "</script>")
	require.True(t, ok)
	return block
}

func published(t testing.TB, block string) map[string]shown {
	var all map[string]shown
	require.NoError(t, json.Unmarshal([]byte(block), &all))
	return all
}

func TestScript(t *testing.T) {
	l := newLab(t, nil)
	l.script(`"><b>`)
	page, _ := l.browser().get("/?user=anna")
	require.True(t, strings.HasPrefix(page, `<script type="application/json" id="experiments" data-track="/experiment/track">{`), page)
	require.True(t, strings.HasSuffix(page, `</script><script nonce="&#34;&gt;&lt;b&gt;" src="/experiment/client.js" defer></script>`), page)
	e := published(t, dataBlock(t, page))["shop_pill_color"]
	require.Equal(t, "red", e.Variant)
	require.Equal(t, "shop_pill_color", e.Experiment)
	require.NotEmpty(t, e.Token)
	require.Equal(t, l.exp.Assign(context.Background(), "anna").Key, e.Key)
	require.Empty(t, web.Script(context.Background(), ""))

	l = newLab(t, func(_ *core.Config, w *web.Config) { w.Mount = "" })
	l.script("")
	page, _ = l.browser().get("/?user=anna")
	require.Empty(t, published(t, dataBlock(t, page))["shop_pill_color"].Token, "nobody takes events")
	require.Contains(t, page, "customElements.define", "the client is inline")
}

func TestClientIsSmall(t *testing.T) {
	require.Less(t, len(web.ClientJS), 2048, "as it is, comments and all")
	require.NotContains(t, strings.ToLower(web.ClientJS), "</script", "it may be inline")
	require.NotContains(t, web.ClientJS, "<!--")
	l := newLab(t, nil)
	body, resp := l.browser().get("/experiment/client.js")
	require.Equal(t, web.ClientJS, body)
	require.Equal(t, "text/javascript; charset=utf-8", resp.Header.Get("Content-Type"))
	for _, name := range []string{"published", "variant(", "track(", "experiment-slot"} {
		require.Contains(t, web.Types, name)
	}
}

func TestPublished(t *testing.T) {
	l := newLab(t, nil)
	var got []core.Signature
	out := core.MustDefine(l.client, core.Definition[string, string]{Name: "out", Unit: func(id string) core.Unit { return core.Actor(id) },
		Variants:   []core.Variant[string, string]{{Name: "red"}},
		Exclusions: []core.Rule[string]{{If: func(context.Context, string) bool { return true }}}})
	off := core.MustDefine(l.client, core.Definition[string, string]{Name: "off", Unit: func(id string) core.Unit { return core.Actor(id) },
		Variants: []core.Variant[string, string]{{Name: "red"}}, Enabled: func(context.Context) bool { return false }})
	var texts [2]string
	tmpl := template.Must(template.New("").Funcs(web.Funcs()).Parse(
		`{{if eq (variant . "shop_pill_color") "red"}}red{{else}}grey{{end}} {{variant . "shop_out"}} {{(experiment . "shop_pill_color").Key}}`))
	l.page = func(w http.ResponseWriter, r *http.Request) {
		l.exp.Assign(r.Context(), "anna")
		texts[0] = render(t, tmpl, r.Context())
		l.exp.Publish(r.Context(), "anna")
		out.Publish(r.Context(), "anna")
		off.Publish(r.Context(), "anna")
		got = web.Published(r.Context())
		texts[1] = render(t, tmpl, r.Context())
	}
	l.browser().get("/")
	require.Len(t, got, 2)
	require.Equal(t, "red", got[0].Variant)
	require.True(t, got[1].Excluded)
	require.Equal(t, "grey control ", texts[0], "assigned is not published")
	require.Equal(t, "red control "+got[0].Key, texts[1])
}

func render(t *testing.T, tmpl *template.Template, data any) string {
	var b strings.Builder
	require.NoError(t, tmpl.Execute(&b, data))
	return b.String()
}

func TestPublishedHandler(t *testing.T) {
	l := newLab(t, nil)
	handler := web.PublishedHandler(func(r *http.Request) { l.exp.Publish(r.Context(), "") })
	l.page = handler.ServeHTTP
	body, resp := l.browser().get("/experiments.json")
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	require.Len(t, resp.Cookies(), 1)
	require.NotEmpty(t, published(t, body)["shop_pill_color"].Token)
}

// event is what the client posts for the page's pill_color.
func event(t *testing.T, e shown, more map[string]any) string {
	all := map[string]any{"experiment": e.Experiment, "key": e.Key, "token": e.Token, "action": "clicked", "value": 2.5, "label": "l", "property": "p"}
	for k, v := range more {
		all[k] = v
	}
	body, err := json.Marshal(all)
	require.NoError(t, err)
	return string(body)
}

func (b *browser) asPage() *browser {
	b.header.Set("Origin", b.l.server.URL)
	b.header.Set("Content-Type", "application/json; charset=utf-8")
	return b
}

func TestClientEvents(t *testing.T) {
	l := newLab(t, func(_ *core.Config, w *web.Config) { w.Origins = []string{"https://www.shop.example"} })
	l.script("")
	b := l.browser().asPage()
	page, _ := b.get("/")
	e := published(t, dataBlock(t, page))["shop_pill_color"]
	l.events.Take()
	_, resp := b.do(http.MethodPost, "/experiment/track", event(t, e, nil))
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	events := l.events.Take()
	require.Len(t, events, 1, "the first page counts, although nothing is stored")
	require.Zero(t, l.store.count())
	got := events[0]
	require.Equal(t, []any{"clicked", 2.5, "l", "p", "red", e.Key, core.SourceResolved},
		[]any{got.Action, got.Value, got.Label, got.Property, got.Variant, got.Key, got.Origin})

	b.header.Set("Origin", "https://www.shop.example")
	b.header.Set("Sec-Fetch-Site", "same-site")
	_, resp = b.do(http.MethodPost, "/experiment/track", event(t, e, nil))
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.Equal(t, "https://www.shop.example", resp.Header.Get("Access-Control-Allow-Origin"))
	_, resp = b.do(http.MethodOptions, "/experiment/track", "")
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.Len(t, l.events.Take(), 1)

	for name, c := range map[string]struct {
		change func(*browser)
		body   string
		status int
	}{
		"no origin":         {func(b *browser) { b.header.Del("Origin") }, event(t, e, nil), 403},
		"null origin":       {func(b *browser) { b.header.Set("Origin", "null") }, event(t, e, nil), 403},
		"another origin":    {func(b *browser) { b.header.Set("Origin", "https://evil.example") }, event(t, e, nil), 403},
		"another site":      {func(b *browser) { b.header.Set("Sec-Fetch-Site", "cross-site") }, event(t, e, nil), 403},
		"a form":            {func(b *browser) { b.header.Set("Content-Type", "text/plain") }, event(t, e, nil), 415},
		"no JSON":           {nil, "{", 400},
		"no action":         {nil, event(t, e, map[string]any{"action": ""}), 400},
		"the automatic one": {nil, event(t, e, map[string]any{"action": "assignment"}), 400},
		"long label":        {nil, event(t, e, map[string]any{"label": strings.Repeat("l", 501)}), 400},
		"too long":          {nil, event(t, e, map[string]any{"more": strings.Repeat("l", 5000)}), 413},
		"no token":          {nil, event(t, e, map[string]any{"token": ""}), 403},
		"another key":       {nil, event(t, e, map[string]any{"key": strings.Repeat("0", 64)}), 403},
		"another name":      {nil, event(t, e, map[string]any{"experiment": "shop_button"}), 403},
		"no tracking":       {func(b *browser) { b.header.Set("Sec-GPC", "1") }, event(t, e, nil), 202},
	} {
		b := l.browser().asPage()
		if c.change != nil {
			c.change(b)
		}
		_, resp := b.do(http.MethodPost, "/experiment/track", c.body)
		require.Equal(t, c.status, resp.StatusCode, name)
		require.Empty(t, l.events.Take(), name)
	}
	_, resp = l.browser().asPage().get("/experiment/track")
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	l.site.SetClock(func() time.Time { return time.Now().Add(25 * time.Hour) })
	_, resp = l.browser().asPage().do(http.MethodPost, "/experiment/track", event(t, e, nil))
	require.Equal(t, http.StatusForbidden, resp.StatusCode, "the page is old")
}

func TestUntrackedPagesHaveNoToken(t *testing.T) {
	l := newLab(t, nil)
	l.script("")
	b := l.browser()
	b.header.Set("Sec-GPC", "1")
	page, _ := b.get("/?user=anna")
	e := published(t, dataBlock(t, page))["shop_pill_color"]
	require.Equal(t, "red", e.Variant)
	require.Empty(t, e.Token)
}

func TestClientEventHook(t *testing.T) {
	l := newLab(t, func(_ *core.Config, w *web.Config) {
		w.ClientEvent = func(_ context.Context, experiment string, ev *core.Event) bool {
			if ev.Action == "panic" {
				panic(experiment)
			}
			ev.Label = "seen"
			return ev.Action == "clicked"
		}
	})
	l.script("")
	b := l.browser().asPage()
	page, _ := b.get("/")
	e := published(t, dataBlock(t, page))["shop_pill_color"]
	l.events.Take()
	for action, n := range map[string]int{"clicked": 1, "other": 0, "panic": 0} {
		b.do(http.MethodPost, "/experiment/track", event(t, e, map[string]any{"action": action}))
		events := l.events.Take()
		require.Len(t, events, n, action)
		if n == 1 {
			require.Equal(t, "seen", events[0].Label)
		}
	}
}
