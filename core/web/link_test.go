package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

const docs = "https://shop.example/docs?a=1&b=2#top"

func (l *lab) link(target string) string {
	l.t.Helper()
	path, err := l.site.LinkPath(l.exp.Assign(context.Background(), "anna").Signature(), target)
	require.NoError(l.t, err)
	return path
}

func TestSignedLink(t *testing.T) {
	l := newLab(t, func(_ *core.Config, w *web.Config) { w.BaseURL = "https://shop.example/" })
	path := l.link(docs)
	_, resp := l.browser().get(path)
	require.Equal(t, http.StatusSeeOther, resp.StatusCode)
	require.Equal(t, docs, resp.Header.Get("Location"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	events := l.events.Take()
	require.Len(t, events, 1)
	require.Equal(t, "visited", events[0].Action)
	require.Equal(t, "red", events[0].Variant)
	require.Equal(t, map[string]any{"url": docs}, events[0].Fields)

	_, resp = l.browser().get(path + "&utm_source=mail")
	require.Equal(t, docs, resp.Header.Get("Location"), "mailers append parameters")
	sig := l.exp.Assign(context.Background(), "anna").Signature()
	whole, err := l.site.LinkURL(sig, docs)
	require.NoError(t, err)
	require.Equal(t, "https://shop.example"+path, whole)

	for name, forged := range map[string]string{
		"another target":     strings.Replace(path, "docs", "evil", 1),
		"another key":        strings.Replace(path, sig.Key[:4], "0000", 1),
		"another experiment": strings.Replace(path, "pill_color", "button", 1),
		"no signature":       path[:strings.LastIndex(path, ":")] + path[strings.Index(path, "?"):],
	} {
		require.NotEqual(t, path, forged)
		_, resp = l.browser().get(forged)
		require.Equal(t, http.StatusNotFound, resp.StatusCode, name)
		require.Empty(t, resp.Header.Get("Location"))
	}
}

func TestLinkFaults(t *testing.T) {
	l := newLab(t, nil)
	sig := l.exp.Assign(context.Background(), "anna").Signature()
	_, err := l.site.LinkURL(sig, docs)
	require.ErrorContains(t, err, "BaseURL")
	_, err = l.site.LinkPath(core.Signature{Experiment: "shop_pill_color"}, docs)
	require.ErrorContains(t, err, "needs the key")
	_, err = l.site.LinkPath(sig, "javascript:alert(1)")
	require.ErrorContains(t, err, "https://")
	l = newLab(t, func(_ *core.Config, w *web.Config) { w.Mount, w.BaseURL = "", "https://shop.example" })
	_, err = l.site.LinkURL(sig, docs)
	require.ErrorContains(t, err, "Mount")
	body, _ := l.browser().get("/experiment/client.js")
	require.Equal(t, "red resolved", body, "without a mount all pages are the app's")
}

func TestLinksThatTrackNothing(t *testing.T) {
	l := newLab(t, func(_ *core.Config, w *web.Config) { w.Redirect = web.AllowHosts("shop.example") })
	path := l.link(docs)
	redirects := func(b *browser, method, path string) {
		t.Helper()
		_, resp := b.do(method, path, "")
		require.Equal(t, http.StatusSeeOther, resp.StatusCode)
		require.Empty(t, l.events.Take())
	}
	redirects(l.browser(), http.MethodHead, path)
	redirects(l.browser(), http.MethodGet, "/experiment/shop_pill_color:00000000000000000000000000000000?"+docs[:20])
	redirects(l.browser(), http.MethodGet, "/experiment/nowhere:abc?"+docs[:20])
	for _, name := range []string{"Sec-GPC", "DNT"} {
		b := l.browser()
		b.header.Set(name, "1")
		redirects(b, http.MethodGet, path)
	}
	b := l.browser()
	b.header.Set("Sec-Purpose", "prefetch")
	redirects(b, http.MethodGet, path)
	l.flag = core.Decision{}
	redirects(l.browser(), http.MethodGet, path)
	_, resp := l.browser().do(http.MethodPost, path, "")
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	for _, bad := range []string{"/experiment/", "/experiment/x", "/experiment/x:?" + docs, "/experiment/:k?" + docs, "/experiment/x:k", "/experiment/a:b:c:d?" + docs} {
		_, resp = l.browser().get(bad)
		require.Equal(t, http.StatusNotFound, resp.StatusCode, bad)
	}
}

func TestAllowHosts(t *testing.T) {
	l := newLab(t, func(_ *core.Config, w *web.Config) { w.Redirect = web.AllowHosts("shop.example", "Help.Example") })
	for target, ok := range map[string]bool{
		"https://shop.example": true, "https://shop.example/a?b=c": true, "https://SHOP.example/": true,
		"https://shop.example:443/": true, "https://help.example/x": true, url.QueryEscape("https://shop.example/#f"): true,
		"https://www.shop.example/": false, "https://shop.example.evil.example/": false, "https://evil.example/shop.example": false,
	} {
		_, resp := l.browser().get("/experiment/shop_pill_color:abc?" + target)
		require.Equal(t, ok, resp.StatusCode == http.StatusSeeOther, target)
	}
	nowhere := newLab(t, nil)
	_, resp := nowhere.browser().get("/experiment/shop_pill_color:abc?https://shop.example/")
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "by default links lead nowhere")
	broken := newLab(t, func(_ *core.Config, w *web.Config) { w.Redirect = func(*url.URL) bool { panic("broken") } })
	_, resp = broken.browser().get("/experiment/shop_pill_color:abc?https://shop.example/")
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

func TestInsecureLinks(t *testing.T) {
	l := newLab(t, func(_ *core.Config, w *web.Config) { w.Insecure = true; w.Redirect = web.AllowHosts("127.0.0.1:8080") })
	_, resp := l.browser().get("/experiment/shop_pill_color:abc?http://127.0.0.1:8080/docs")
	require.Equal(t, http.StatusSeeOther, resp.StatusCode)
	_, resp = l.browser().get("/experiment/shop_pill_color:abc?http://127.0.0.1:8081/docs")
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	_, resp = l.browser().get(l.link("http://127.0.0.1:8081/docs"))
	require.Equal(t, http.StatusSeeOther, resp.StatusCode)
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

// permissive says yes to everything, so that only the safety checks remain.
func permissive(_ *core.Config, w *web.Config) { w.Redirect = func(*url.URL) bool { return true } }

// Hostile targets are refused on a real socket, raw and escaped, although the
// app permits all, and although they are signed.
func TestHostileTargetsAreRefused(t *testing.T) {
	l := newLab(t, permissive)
	require.Greater(t, len(hostile), 35)
	key := l.exp.Assign(context.Background(), "anna").Key
	for _, target := range hostile {
		queries := []string{url.QueryEscape(target), target}
		for i, query := range queries {
			if i == 1 && strings.ContainsAny(query, " \r\n\x00") || i == 1 && strings.HasPrefix(query, "https%3A") {
				continue // no request line holds it; escaped once it is a good target
			}
			for _, signature := range []string{"", ":" + l.site.SignLink("shop_pill_color", key, target)} {
				status, location := l.raw("/experiment/shop_pill_color:" + key + signature + "?" + query)
				require.NotEqual(t, http.StatusSeeOther, status, "%q", query)
				require.GreaterOrEqual(t, status, 400, "%q", query)
				require.Empty(t, location, "%q", query)
			}
		}
	}
	require.Empty(t, l.events.Take())
	status, location := l.raw("/experiment/shop_pill_color:" + key + "?https://shop.example/")
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, "https://shop.example/", location)
}

// raw writes a request as it is, which no client would.
func (l *lab) raw(target string) (status int, location string) {
	conn, err := tls.Dial("tcp", l.server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(l.t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n", target)
	require.NoError(l.t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(l.t, err)
	defer resp.Body.Close()
	require.Empty(l.t, resp.Header.Values("Set-Cookie"))
	return resp.StatusCode, resp.Header.Get("Location")
}

// FuzzLink holds two properties of whatever is asked for: a redirect leads to
// the one host that is permitted, and its header has no line break.
func FuzzLink(f *testing.F) {
	for _, target := range hostile {
		f.Add("shop_pill_color:abc", target)
	}
	f.Add("shop_pill_color:abc:def", url.QueryEscape(docs))
	l := newLab(f, func(_ *core.Config, w *web.Config) { w.Redirect = web.AllowHosts("shop.example") })
	f.Fuzz(func(t *testing.T, rest, query string) {
		location := l.site.Follow(rest, query)
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
