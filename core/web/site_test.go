package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/core/web"
)

func TestVisitorIsKeptByACookie(t *testing.T) {
	l := newLab(t, nil)
	b := l.browser()
	body, resp := b.get("/")
	require.Equal(t, "red resolved", body)
	require.Len(t, l.events.Take(), 1)
	require.Zero(t, l.store.count())
	require.Len(t, resp.Cookies(), 1)
	c := resp.Cookies()[0]
	require.Equal(t, "shop_pill_color_id", c.Name)
	require.True(t, c.HttpOnly && c.Secure)
	require.Equal(t, http.SameSiteLaxMode, c.SameSite)
	require.Equal(t, 180*24*60*60, c.MaxAge)
	require.Equal(t, "/", c.Path)

	l.flag.Variant = "blue"
	body, resp = b.get("/")
	require.Equal(t, "red stored", body)
	require.Empty(t, resp.Cookies(), "it is set once")
	require.Equal(t, 1, l.store.count())
	body, _ = l.browser().get("/")
	require.Equal(t, "blue resolved", body)

	body, resp = b.get("/?user=anna")
	require.Equal(t, "red stored", body)
	require.Len(t, resp.Cookies(), 1)
	require.Negative(t, resp.Cookies()[0].MaxAge)
	require.Empty(t, b.cookies())
	body, _ = l.browser().get("/?user=anna")
	require.Equal(t, "red stored", body, "on every device")
}

func TestCookiesThatDoNotCount(t *testing.T) {
	l := newLab(t, nil)
	other := l.define("button")
	l.page = func(_ http.ResponseWriter, r *http.Request) {
		l.exp.Publish(r.Context(), "")
		other.Publish(r.Context(), "")
	}
	b := l.browser()
	b.get("/")
	genuine := map[string]string{}
	for _, c := range b.cookies() {
		genuine[c.Name] = c.Value
	}
	require.Len(t, genuine, 2)
	pill := genuine["shop_pill_color_id"]
	text, signature, _ := strings.Cut(pill, ".")
	foreign := newLab(t, func(c *core.Config, _ *web.Config) { c.KeySecret = []byte(strings.Repeat("x", 32)) })
	fb := foreign.browser()
	fb.get("/")
	l.page = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, web.AnonymousID(r, "shop_pill_color"))
	}
	read := func(value string) string {
		b := l.browser()
		b.setCookie(&http.Cookie{Name: "shop_pill_color_id", Value: value, Secure: true})
		body, _ := b.get("/")
		return body
	}
	require.NotEmpty(t, read(pill))
	for name, value := range map[string]string{
		"empty": "", "no signature": text, "empty signature": text + ".", "another's": genuine["shop_button_id"],
		"changed": "B" + text[1:] + "." + signature, "signature changed": text + "." + flip(signature),
		"foreign secret": fb.cookies()[0].Value, "too long": text + "." + strings.Repeat("A", 2000),
		"not base64": text + ".!!!", "last bits changed": pill[:len(pill)-1] + string(pill[len(pill)-1]+1),
	} {
		require.Empty(t, read(value), name)
	}
	l.site.SetClock(func() time.Time { return time.Now().Add(179 * 24 * time.Hour) })
	require.NotEmpty(t, read(pill))
	l.site.SetClock(func() time.Time { return time.Now().Add(181 * 24 * time.Hour) })
	require.Empty(t, read(pill), "stale")
	l.site.SetClock(func() time.Time { return time.Now().Add(-time.Hour) })
	require.Empty(t, read(pill), "from the future")
}

func TestSecretsRotate(t *testing.T) {
	old, next := []byte(strings.Repeat("o", 32)), []byte(strings.Repeat("n", 32))
	l := newLab(t, func(c *core.Config, _ *web.Config) { c.KeySecret = old })
	b := l.browser()
	b.get("/")
	value := b.cookies()[0].Value
	rotated := newLab(t, func(c *core.Config, _ *web.Config) { c.KeySecret, c.PreviousSecrets = next, [][]byte{old} })
	rotated.flag.Variant = "blue"
	b = rotated.browser()
	b.setCookie(&http.Cookie{Name: "shop_pill_color_id", Value: value, Secure: true})
	body, _ := b.get("/")
	require.Equal(t, "red stored", body)
}

func TestCookieOptions(t *testing.T) {
	l := newLab(t, func(_ *core.Config, c *web.Config) {
		c.Cookies = web.Cookies{Host: true, SameSite: http.SameSiteStrictMode, MaxAge: time.Hour,
			Name: func(experiment string) string { return "v." + experiment }}
	})
	_, resp := l.browser().get("/")
	c := resp.Cookies()[0]
	require.Equal(t, "__Host-v.shop_pill_color", c.Name)
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(t, 3600, c.MaxAge)

	l = newLab(t, func(_ *core.Config, c *web.Config) {
		c.Insecure, c.Cookies = true, web.Cookies{Domain: "example.com", Path: "/shop"}
	})
	slash := l.define("cart/button")
	l.page = func(_ http.ResponseWriter, r *http.Request) { slash.Publish(r.Context(), "") }
	_, resp = l.browser().get("/shop")
	c = resp.Cookies()[0]
	require.Equal(t, "shop_cart~button_id", c.Name)
	require.Equal(t, "example.com", c.Domain)
	require.Equal(t, "/shop", c.Path)
	require.False(t, c.Secure)
}

func TestConfigFaults(t *testing.T) {
	client, err := core.New(core.Config{KeySecret: secret})
	require.NoError(t, err)
	for fault, cfg := range map[string]web.Config{
		"secret 1 has 5 bytes":                  {Secret: []byte("short")},
		"secret 2 has 3 bytes":                  {Secret: secret, PreviousSecrets: [][]byte{[]byte("old")}},
		"PreviousSecrets without a Secret":      {PreviousSecrets: [][]byte{secret}},
		"Cookies.Host allows neither":           {Cookies: web.Cookies{Host: true, Domain: "example.com"}},
		"None, which browsers refuse":           {Cookies: web.Cookies{SameSite: http.SameSiteNoneMode}, Insecure: true},
		"it can't be negative":                  {Cookies: web.Cookies{MaxAge: -1}},
		`Mount "experiment" is not allowed`:     {Mount: "experiment"},
		`Mount "/x/" is not allowed`:            {Mount: "/x/"},
		`Mount "//evil" is not allowed`:         {Mount: "//evil"},
		`BaseURL "http://a.example" is not`:     {BaseURL: "http://a.example"},
		`the origin "a.example" is not allowed`: {Origins: []string{"a.example"}},
	} {
		_, err := web.New(client, cfg)
		require.ErrorContains(t, err, fault)
		require.Panics(t, func() { web.MustNew(client, cfg) })
	}
	_, err = web.New(nil, web.Config{})
	require.ErrorContains(t, err, "the client is nil")
	insecure, err := core.New(core.Config{InsecureNoSecret: true})
	require.NoError(t, err)
	_, err = web.New(insecure, web.Config{})
	require.ErrorContains(t, err, "Secret is missing")
	_, err = web.New(insecure, web.Config{Secret: secret})
	require.NoError(t, err)
}

func TestHeaderSentBeforeTheExperiment(t *testing.T) {
	for name, send := range map[string]func(w http.ResponseWriter){
		"write":       func(w http.ResponseWriter) { _, _ = w.Write(nil) },
		"string":      func(w http.ResponseWriter) { _, _ = io.WriteString(w, " ") },
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"controller":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"copy":        func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader(" ")) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			page := l.page
			l.page = func(w http.ResponseWriter, r *http.Request) { send(w); page(w, r) }
			b := l.browser()
			body, resp := b.get("/")
			require.Contains(t, body, "control no-unit")
			require.Empty(t, resp.Cookies())
			require.Empty(t, l.events.Take())
			body, _ = b.get("/?user=anna")
			require.Contains(t, body, "red resolved")
		})
	}
}

func TestCookieIsSentHoweverTheResponseEnds(t *testing.T) {
	for name, end := range map[string]func(w http.ResponseWriter, r *http.Request){
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"hints": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) },
		"file": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("a"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			l.page = func(w http.ResponseWriter, r *http.Request) { l.exp.Publish(r.Context(), ""); end(w, r) }
			_, resp := l.browser().get("/")
			require.Len(t, resp.Cookies(), 1)
		})
	}
}

func TestHijack(t *testing.T) {
	l := newLab(t, nil)
	l.page = func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func(c net.Conn) { _ = c.Close() }(conn)
		writeRaw(rw)
	}
	body, _ := l.browser().get("/")
	require.Equal(t, "raw", body)
}

func writeRaw(rw *bufio.ReadWriter) {
	_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nraw")
	_ = rw.Flush()
}

func TestResponseIsPrivate(t *testing.T) {
	for set, want := range map[string]string{
		"": "private", "public, max-age=60, s-maxage=90": "private, max-age=60", "no-store": "no-store", "private, no-cache": "private, no-cache",
	} {
		l := newLab(t, nil)
		page := l.page
		l.page = func(w http.ResponseWriter, r *http.Request) {
			if set != "" {
				w.Header().Set("Cache-Control", set)
			}
			w.Header().Set("Vary", "Accept-Encoding")
			page(w, r)
		}
		_, resp := l.browser().get("/")
		require.Equal(t, want, resp.Header.Get("Cache-Control"))
		require.Equal(t, []string{"Accept-Encoding", "Cookie"}, resp.Header.Values("Vary"))
		l.flag = core.Decision{}
		_, resp = l.browser().get("/")
		require.Equal(t, set, resp.Header.Get("Cache-Control"), "off depends on nobody")
	}
}

func TestPrivacy(t *testing.T) {
	yes, no := func(*http.Request) bool { return true }, func(*http.Request) bool { return false }
	broken := func(*http.Request) bool { panic("broken") }
	for name, c := range map[string]struct {
		change func(*web.Config)
		header string
		silent bool
	}{
		"nothing": {nil, "", false}, "DNT": {nil, "DNT", true}, "GPC": {nil, "Sec-GPC", true},
		"ignored":        {func(c *web.Config) { c.IgnorePrivacySignals = true }, "Sec-GPC", false},
		"consent":        {func(c *web.Config) { c.Consent = yes }, "", false},
		"no consent":     {func(c *web.Config) { c.Consent = no }, "", true},
		"consent panics": {func(c *web.Config) { c.Consent = broken }, "", true},
		"bot":            {func(c *web.Config) { c.Bot = yes }, "", true},
		"no bot":         {func(c *web.Config) { c.Bot = no }, "", false},
		"bot panics":     {func(c *web.Config) { c.Bot = broken }, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(_ *core.Config, cfg *web.Config) {
				if c.change != nil {
					c.change(cfg)
				}
			})
			b := l.browser()
			if c.header != "" {
				b.header.Set(c.header, "1")
			}
			body, _ := b.get("/")
			known, _ := b.get("/?user=anna")
			require.Equal(t, "red", known[:3], "who is known sees the variant")
			if c.silent {
				require.Equal(t, "control no-unit", body)
				require.Empty(t, b.cookies())
				require.Empty(t, l.events.Take())
			} else {
				require.Equal(t, "red resolved", body)
				require.Len(t, l.events.Take(), 2)
			}
		})
	}
}

func TestKnownCookieUnderGPC(t *testing.T) {
	l := newLab(t, nil)
	b := l.browser()
	b.get("/")
	l.events.Take()
	b.header.Set("Sec-GPC", "1")
	l.flag.Variant = "blue"
	body, _ := b.get("/")
	require.Equal(t, "red stored", body)
	require.Empty(t, l.events.Take())
}

func TestWithRequest(t *testing.T) {
	l := newLab(t, nil)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	rec := httptest.NewRecorder()
	ctx, w, finish := l.site.WithRequest(context.Background(), rec, r)
	require.Equal(t, core.SourceResolved, l.exp.Publish(ctx, "").Source)
	finish()
	require.Len(t, rec.Result().Cookies(), 1)
	require.NotNil(t, w)
	require.Same(t, ctx, web.Request(ctx).Context())
	require.Nil(t, web.Request(context.Background()))
	require.Empty(t, web.AnonymousID(r, "shop_pill_color"))

	r.AddCookie(rec.Result().Cookies()[0])
	ctx, _, finish = l.site.WithRequest(context.Background(), nil, r)
	require.Equal(t, core.SourceStored, l.exp.Publish(ctx, "").Source)
	finish()
	ctx, _, _ = l.site.WithRequest(context.Background(), nil, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, core.SourceNoUnit, l.exp.Publish(ctx, "").Source)
}

func TestMiddlewareTwiceIsOnce(t *testing.T) {
	l := newLab(t, nil)
	twice := httptest.NewServer(l.site.Handler(l.site.Handler(http.HandlerFunc(l.page))))
	defer twice.Close()
	resp, err := http.Get(twice.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Len(t, resp.Cookies(), 1)
}

// A visitor of another system, known by its cookie, stays who they are.
func TestVisitorOfAnotherSystem(t *testing.T) {
	l := newLab(t, func(_ *core.Config, c *web.Config) {
		c.Visitor = func(r *http.Request, experiment string) string {
			if c, err := r.Cookie("old_" + experiment); err == nil {
				return c.Value
			}
			return ""
		}
		c.ExpireVisitor = func(experiment string) *http.Cookie {
			return &http.Cookie{Name: "old_" + experiment, MaxAge: -1, Secure: true}
		}
	})
	b := l.browser()
	b.setCookie(&http.Cookie{Name: "old_shop_pill_color", Value: "0b9a", Secure: true})
	known := l.exp.Assign(context.Background(), "0b9a")
	require.Equal(t, "red", known.Variant)
	l.flag.Variant = "blue"
	body, resp := b.get("/")
	require.Equal(t, "red stored", body, "its id is an actor")
	require.Len(t, resp.Cookies(), 1, "and has a cookie of ours now")
	body, _ = b.get("/?user=anna")
	require.Equal(t, "red stored", body)
	require.Empty(t, b.cookies(), "both are gone")
}

func TestManyExperimentsOnAPage(t *testing.T) {
	l := newLab(t, nil)
	var exps []*core.Experiment[string, string]
	for i := range 10 {
		exps = append(exps, l.define(fmt.Sprintf("experiment_%d", i)))
	}
	l.page = func(_ http.ResponseWriter, r *http.Request) {
		for _, e := range exps {
			go e.Publish(r.Context(), "") // late ones are no-unit
			e.Publish(r.Context(), "")
		}
	}
	_, resp := l.browser().get("/")
	require.Len(t, resp.Cookies(), 10)
}

// flip changes the first letter.
func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

// Visitors whom GitLab's gem gave a cookie keep their id.
func TestVisitorOfTheGem(t *testing.T) {
	rails, err := glex.NewRailsCookies(glex.RailsKey{SecretKeyBase: strings.Repeat("s", 64)})
	require.NoError(t, err)
	l := newLab(t, func(_ *core.Config, c *web.Config) {
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
	l.exp.Assign(context.Background(), id)
	l.flag.Variant = "blue"
	b := l.browser()
	b.setCookie(rails.New("shop_pill_color", id))
	body, _ := b.get("/")
	require.Equal(t, "red stored", body)
	require.Len(t, b.cookies(), 2)
	body, _ = b.get("/?user=anna")
	require.Equal(t, "red stored", body)
	require.Empty(t, b.cookies())

	forged := rails.New("shop_pill_color", id)
	forged.Value = "x" + forged.Value
	b.setCookie(forged)
	body, _ = b.get("/")
	require.Equal(t, "blue resolved", body)
}
