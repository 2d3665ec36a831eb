package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

func allowForced(c *core.Config, _ *web.Config) { c.AllowForced = true }

func TestForceNeedsPermission(t *testing.T) {
	tester := func(r *http.Request) bool { return r.Header.Get("Tester") == "1" }
	l := newLab(t, func(c *core.Config, w *web.Config) { c.AllowForced = true; w.MayForce = tester })
	const force = "/?glex_force=shop_pill_color:blue"
	body, resp := l.browser().get(force)
	require.Equal(t, "red resolved", body)
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))

	b := l.browser()
	b.header.Set("Tester", "1")
	body, resp = b.get(force)
	require.Equal(t, "blue forced", body)
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	require.Equal(t, 1, l.store.count(), "it is stored at once")
	body, _ = b.get("/")
	require.Equal(t, "blue stored", body)
	l.events.Take()
	body, _ = b.get("/?user=anna")
	require.Equal(t, "blue stored", body, "it survives the sign-in")
	require.Equal(t, core.SourceForced, l.events.Take()[0].Origin, "and marks the events")

	for name, c := range map[string]struct{ path, header, value string }{
		"cross-site":       {force, "Sec-Fetch-Site", "cross-site"},
		"prefetch":         {force, "Sec-Purpose", "prefetch;prerender"},
		"old prefetch":     {force, "Purpose", "prefetch"},
		"unknown variant":  {"/?glex_force=shop_pill_color:mauve", "", ""},
		"other experiment": {"/?glex_force=pill_color:blue", "", ""},
		"no variant":       {"/?glex_force=shop_pill_color", "", ""},
		"empty variant":    {"/?glex_force=shop_pill_color:", "", ""},
		"too many parts":   {"/?glex_force=shop_pill_color:blue:a:b", "", ""},
		"too many":         {"/?" + strings.Repeat("glex_force=shop_pill_color:blue&", 21), "", ""},
	} {
		b := l.browser()
		b.header.Set("Tester", "1")
		if c.header != "" {
			b.header.Set(c.header, c.value)
		}
		body, _ := b.get(c.path)
		require.Equal(t, "red resolved", body, name)
	}

	l = newLab(t, func(_ *core.Config, w *web.Config) { w.MayForce = tester })
	b = l.browser()
	b.header.Set("Tester", "1")
	body, _ = b.get(force)
	require.Equal(t, "red resolved", body, "the client has to allow it too")

	l = newLab(t, func(c *core.Config, w *web.Config) {
		c.AllowForced = true
		w.MayForce = func(*http.Request) bool { panic("broken") }
	})
	body, _ = l.browser().get(force)
	require.Equal(t, "red resolved", body)
}

func TestForceByHeaderAndOtherParameter(t *testing.T) {
	l := newLab(t, func(c *core.Config, w *web.Config) {
		c.AllowForced, w.ForceParam = true, "try"
		w.MayForce = func(*http.Request) bool { return true }
	})
	body, _ := l.browser().get("/?try=shop_pill_color:blue")
	require.Equal(t, "blue forced", body)
	b := l.browser()
	b.header.Set(web.ForceHeader, "shop_button:red, shop_pill_color:blue")
	body, _ = b.get("/?glex_force=shop_pill_color:red")
	require.Equal(t, "blue forced", body)
}

func TestForceToken(t *testing.T) {
	l := newLab(t, allowForced)
	token, err := l.site.ForceToken("shop_pill_color", "blue", time.Hour)
	require.NoError(t, err)
	link := "/?glex_force=" + url.QueryEscape(token)
	body, _ := l.browser().get(link)
	require.Equal(t, "blue forced", body)
	for name, forged := range map[string]string{
		"another variant":    strings.Replace(token, ":blue:", ":control:", 1),
		"another experiment": strings.Replace(token, "pill_color", "button", 1),
		"later":              strings.Replace(token, ":blue:", ":blue:z", 1),
		"no signature":       token[:strings.LastIndex(token, ".")],
	} {
		body, _ = l.browser().get("/?glex_force=" + url.QueryEscape(forged))
		require.Equal(t, "red resolved", body, name)
	}
	l.site.SetClock(func() time.Time { return time.Now().Add(2 * time.Hour) })
	body, _ = l.browser().get(link)
	require.Equal(t, "red resolved", body, "expired")

	_, err = l.site.ForceToken("pill_color", "blue", time.Hour)
	require.ErrorContains(t, err, `"pill_color"`)
	_, err = l.site.ForceToken("shop_pill_color", "mauve", time.Hour)
	require.ErrorContains(t, err, `"mauve"`)
}

// A page calls another service, which forces what the page does.
func TestTransportPassesForces(t *testing.T) {
	backend, front := newLab(t, allowForced), newLab(t, allowForced)
	base := backend.server.Client().Transport
	host := strings.TrimPrefix(backend.server.URL, "https://")
	var hosts []string
	front.page = func(w http.ResponseWriter, r *http.Request) {
		client := http.Client{Transport: &web.Transport{Base: base, Hosts: hosts}}
		out, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, backend.server.URL, nil)
		resp, err := client.Do(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		body := make([]byte, 100)
		n, _ := resp.Body.Read(body)
		_, _ = w.Write(body[:n])
	}
	token, err := front.site.ForceToken("shop_pill_color", "blue", time.Hour)
	require.NoError(t, err)
	link := "/?glex_force=" + url.QueryEscape(token)
	body, _ := front.browser().get(link)
	require.Equal(t, "red resolved", body, "other hosts learn nothing")
	hosts = []string{host}
	body, _ = front.browser().get(link)
	require.Equal(t, "blue forced", body)
	body, _ = front.browser().get("/")
	require.Equal(t, "red resolved", body)

	seen := make(http.Header)
	plain := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header }))
	defer plain.Close()
	client := http.Client{Transport: &web.Transport{Hosts: []string{strings.TrimPrefix(plain.URL, "http://")}}}
	resp, err := client.Get(plain.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Empty(t, seen.Values(web.ForceHeader), "outside of a request there is nothing to pass on")
}
