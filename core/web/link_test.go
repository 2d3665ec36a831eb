package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

const docs = "https://shop.example/docs?a=1&b=2#top"

func (s *shop) signature() core.Signature {
	return s.pill.Assign(context.Background(), "anna").Signature()
}

func (s *shop) link(target string) string {
	s.t.Helper()
	path, err := s.site.LinkPath(s.signature(), target)
	require.NoError(s.t, err)
	return path
}

// redirectsTo permits links to hosts.
func redirectsTo(hosts ...string) func(*core.Config, *web.Config) {
	return func(_ *core.Config, w *web.Config) { w.Redirect = web.AllowHosts(hosts...) }
}

func TestSignedLink(t *testing.T) {
	s := newShop(t, func(_ *core.Config, w *web.Config) { w.BaseURL = "https://shop.example/" })
	path := s.link(docs)
	page := s.visit(path)
	require.Equal(t, http.StatusSeeOther, page.status)
	require.Equal(t, docs, page.header.Get("Location"))
	require.Equal(t, "no-store", page.header.Get("Cache-Control"))
	events := s.events.Take()
	require.Len(t, events, 1)
	require.Equal(t, "visited", events[0].Action)
	require.Equal(t, "red", events[0].Variant)
	require.Equal(t, map[string]any{"url": docs}, events[0].Fields)

	require.Equal(t, docs, s.visit(path+"&utm_source=mail").header.Get("Location"), "mailers append parameters")
	whole, err := s.site.LinkURL(s.signature(), docs)
	require.NoError(t, err)
	require.Equal(t, "https://shop.example"+path, whole)

	for name, forged := range map[string]string{
		"another target":     strings.Replace(path, "docs", "evil", 1),
		"another key":        strings.Replace(path, s.signature().Key[:4], "0000", 1),
		"another experiment": strings.Replace(path, "pill_color", "button", 1),
		"no signature":       path[:strings.LastIndex(path, ":")] + path[strings.Index(path, "?"):],
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEqual(t, path, forged)
			page := s.visit(forged)
			require.Equal(t, http.StatusNotFound, page.status)
			require.Empty(t, page.header.Get("Location"))
		})
	}
}

func TestLinksThatCannotBeMade(t *testing.T) {
	s := newShop(t, nil)
	_, err := s.site.LinkURL(s.signature(), docs)
	require.ErrorContains(t, err, "BaseURL")
	_, err = s.site.LinkPath(core.Signature{Experiment: "shop_pill_color"}, docs)
	require.ErrorContains(t, err, "needs the key")
	s = newShop(t, func(_ *core.Config, w *web.Config) { w.Mount, w.BaseURL = "", "https://shop.example" })
	_, err = s.site.LinkURL(s.signature(), docs)
	require.ErrorContains(t, err, "Mount")
}

func TestLinksThatTrackNothing(t *testing.T) {
	s := newShop(t, redirectsTo("shop.example"))
	path := s.link(docs)
	follow := func(t *testing.T, method, path, header, value string) {
		page := s.browser().with(header, value).do(method, path, "")
		require.Equal(t, http.StatusSeeOther, page.status)
		require.Empty(t, s.events.Take())
	}
	for name, c := range map[string]struct{ method, path, header, value string }{
		"HEAD":          {"HEAD", path, "", ""},
		"unknown key":   {"GET", "/experiment/shop_pill_color:00000000000000000000000000000000?" + docs, "", ""},
		"no experiment": {"GET", "/experiment/nowhere:abc?" + docs, "", ""},
		"GPC":           {"GET", path, "Sec-GPC", "1"},
		"DNT":           {"GET", path, "DNT", "1"},
		"prefetch":      {"GET", path, "Sec-Purpose", "prefetch"},
	} {
		t.Run(name, func(t *testing.T) { follow(t, c.method, c.path, c.header, c.value) })
	}
	s.flag = core.Decision{}
	t.Run("experiment off", func(t *testing.T) { follow(t, "GET", path, "", "") })
}

func TestWhatIsNoLink(t *testing.T) {
	s := newShop(t, redirectsTo("shop.example"))
	for _, bad := range []string{"/experiment/", "/experiment/x", "/experiment/x:?" + docs, "/experiment/:k?" + docs, "/experiment/x:k", "/experiment/a:b:c:d?" + docs} {
		require.Equal(t, http.StatusNotFound, s.visit(bad).status, bad)
	}
	require.Equal(t, http.StatusMethodNotAllowed, s.browser().do(http.MethodPost, s.link(docs), "").status)
}

func TestUnsignedLinksNeedPermission(t *testing.T) {
	leads := func(s *shop, target string) bool {
		return s.visit("/experiment/shop_pill_color:abc?"+target).status == http.StatusSeeOther
	}
	s := newShop(t, redirectsTo("shop.example", "Help.Example"))
	for target, ok := range map[string]bool{
		"https://shop.example": true, "https://shop.example/a?b=c": true, "https://SHOP.example/": true,
		"https://shop.example:443/": true, "https://help.example/x": true, url.QueryEscape("https://shop.example/#f"): true,
		"https://www.shop.example/": false, "https://shop.example.evil.example/": false, "https://evil.example/shop.example": false,
	} {
		require.Equal(t, ok, leads(s, target), target)
	}
	require.False(t, leads(newShop(t, nil), "https://shop.example/"), "by default links lead nowhere")
	broken := newShop(t, func(_ *core.Config, w *web.Config) { w.Redirect = func(*url.URL) bool { panic("broken") } })
	require.False(t, leads(broken, "https://shop.example/"))

	insecure := newShop(t, func(c *core.Config, w *web.Config) {
		redirectsTo("127.0.0.1:8080")(c, w)
		w.Insecure = true
	})
	require.True(t, leads(insecure, "http://127.0.0.1:8080/docs"))
	require.False(t, leads(insecure, "http://127.0.0.1:8081/docs"))
	require.Equal(t, http.StatusSeeOther, insecure.visit(insecure.link("http://127.0.0.1:8081/docs")).status)
}

// hostile are targets that some parser takes for a way elsewhere.
var hostile = []string{
	"javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://shop.example/%0aalert(1)", "java\tscript:alert(1)",
	"data:text/html,<script>alert(1)</script>", "data:text/html;base64,PHNjcmlwdD4=", "vbscript:msgbox(1)", "file:///etc/passwd",
	"blob:https://shop.example/1", "about:blank", "mailto:a@shop.example", "ftp://shop.example/", "http://shop.example/",
	"//shop.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/evil", "evil.example", "?x", "#x", "",
	"https:/shop.example", "https:shop.example", "https:///shop.example", "https:\\\\shop.example", "https://", "https://?", "https:///",
	"https://shop.example@evil.example/", "https://user:pass@shop.example/", "https://shop.example:pass@evil.example", "https://@shop.example/",
	"https://shop.example:8443/", "https://shop.example:80/", "https://shop.example:/", "https://shop.example:443:443/", "https://shop.example:0443/",
	"https://shop.example\\@evil.example/", "https://shop.example\\.evil.example/", "https://evil.example\\shop.example/",
	"https://shop.example%2eevil.example/", "https://shop%2eexample/", "https://shop.example%00.evil.example/", "https://shop.example%0d%0a/",
	"https://shop.example/\r\nSet-Cookie: a=b", "https://shop.example/\nLocation: https://evil.example", "https://shop.example/\x00", "https://shop.example/\x7f",
	"https://shop.example/ a", " https://shop.example/", "https://shop.example/\t", "https://shop.example /",
	"https://shop。example/", "https://ѕhop.example/", "https://shop.example\u2024evil.example", "https://shop.example\u2044evil.example/", "https://shop.exämple/",
	"https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[shop.example]/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/",
	"https://shop.example./", "https://.shop.example/", "https://shop..example/", "https://-shop.example/", "https://shop_example/", "https://*.example/",
	"https://shop.example;evil.example/", "https://shop.example,evil.example/", "https://shop.example&evil.example/", "https://shop.example'evil/",
	"HTTPS://shop.example/", "https://shop.example/%zz", "https%3A%2F%2Fshop.example/", "https%253A%252F%252Fshop.example",
	"https://shop.example/<script>", "https://shop.example/\"onload", "https://shop.example/`", "https://shop.example/" + strings.Repeat("a", 2048),
}

// follow returns where a link leads, "" for nowhere. No HTTP client would send
// each of these queries.
func (s *shop) follow(path, query string) string {
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}}
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	return w.Header().Get("Location")
}

// Hostile targets are neither signed nor followed, raw or escaped, although the
// app permits all.
func TestHostileTargetsAreRefused(t *testing.T) {
	s := newShop(t, func(_ *core.Config, w *web.Config) { w.Redirect = func(*url.URL) bool { return true } })
	path := "/experiment/shop_pill_color:" + s.signature().Key
	require.Equal(t, "https://shop.example/", s.follow(path, "https://shop.example/"))
	s.events.Take()
	for _, target := range hostile {
		_, err := s.site.LinkPath(s.signature(), target)
		require.Error(t, err, "%q", target)
		require.Empty(t, s.follow(path, url.QueryEscape(target)), "%q", target)
		if !strings.HasPrefix(target, "https%3A") { // which, taken as escaped, is a good one
			require.Empty(t, s.follow(path, target), "%q", target)
		}
	}
	insecure := newShop(t, func(_ *core.Config, w *web.Config) { w.Insecure = true })
	for _, target := range []string{"http://shop.example/", "https://shop.example:8443/"} {
		path, query, _ := strings.Cut(insecure.link(target), "?")
		require.Empty(t, s.follow(path, query), "signed by a site that permits it: %q", target)
	}
	require.Empty(t, s.events.Take())
}

// FuzzLink: whatever is asked for, a redirect leads to the one host that is
// permitted, and its header has no line break.
func FuzzLink(f *testing.F) {
	for _, target := range hostile {
		f.Add("shop_pill_color:abc", target)
	}
	f.Add("shop_pill_color:abc:def", url.QueryEscape(docs))
	s := newShop(f, redirectsTo("shop.example"))
	f.Fuzz(func(t *testing.T, path, query string) {
		location := s.follow("/experiment/"+path, query)
		if location == "" {
			return
		}
		u, err := url.Parse(location)
		require.NoError(t, err)
		require.Equal(t, "https", u.Scheme)
		require.Equal(t, "shop.example", strings.ToLower(u.Hostname()))
		require.Contains(t, []string{"", "443"}, u.Port())
		require.Nil(t, u.User)
		for _, c := range []byte(location) {
			require.True(t, c > ' ' && c < 0x7f && c != '\\', "%q", location)
		}
	})
}
