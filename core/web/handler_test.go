package web_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

func TestNewRefusesAFaultyConfig(t *testing.T) {
	client, err := core.New(core.Config{KeySecret: secret})
	require.NoError(t, err)
	insecure, err := core.New(core.Config{InsecureNoSecret: true})
	require.NoError(t, err)
	_, err = web.New(insecure, web.Config{Secret: secret})
	require.NoError(t, err)
	for fault, c := range map[string]struct {
		client *core.Client
		cfg    web.Config
	}{
		"the client is nil":                     {nil, web.Config{}},
		"Secret is missing":                     {insecure, web.Config{}},
		"secret 1 has 5 bytes":                  {client, web.Config{Secret: []byte("short")}},
		"secret 2 has 3 bytes":                  {client, web.Config{Secret: secret, PreviousSecrets: [][]byte{[]byte("old")}}},
		"PreviousSecrets without a Secret":      {client, web.Config{PreviousSecrets: [][]byte{secret}}},
		"Cookies.Host allows neither":           {client, web.Config{Cookies: web.Cookies{Host: true, Domain: "example.com"}}},
		"None, which browsers refuse":           {client, web.Config{Cookies: web.Cookies{SameSite: http.SameSiteNoneMode}, Insecure: true}},
		"it can't be negative":                  {client, web.Config{Cookies: web.Cookies{MaxAge: -1}}},
		`Mount "experiment" is not allowed`:     {client, web.Config{Mount: "experiment"}},
		`Mount "/x/" is not allowed`:            {client, web.Config{Mount: "/x/"}},
		`Mount "//evil" is not allowed`:         {client, web.Config{Mount: "//evil"}},
		`BaseURL "http://a.example" is not`:     {client, web.Config{BaseURL: "http://a.example"}},
		`the origin "a.example" is not allowed`: {client, web.Config{Origins: []string{"a.example"}}},
	} {
		t.Run(fault, func(t *testing.T) {
			_, err := web.New(c.client, c.cfg)
			require.ErrorContains(t, err, fault)
			require.Panics(t, func() { web.MustNew(c.client, c.cfg) })
		})
	}
}

func TestWithRequest(t *testing.T) {
	s := newShop(t, nil)
	publish := func(ctx context.Context) core.Source { return s.pill.Publish(ctx, "").Source }
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	ctx, scoped, finish := s.site.WithRequest(context.Background(), w, r)
	require.Equal(t, core.SourceResolved, publish(ctx))
	finish()
	require.Len(t, w.Result().Cookies(), 1)
	require.NotNil(t, scoped)
	require.Same(t, ctx, web.Request(ctx).Context())
	require.Nil(t, web.Request(context.Background()))
	require.Empty(t, web.AnonymousID(r, "shop_pill_color"), "r is in no scope")

	r.AddCookie(w.Result().Cookies()[0])
	ctx, _, finish = s.site.WithRequest(context.Background(), nil, r)
	require.Equal(t, core.SourceStored, publish(ctx))
	finish()
	ctx, _, _ = s.site.WithRequest(context.Background(), nil, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, core.SourceNoUnit, publish(ctx))
}

func TestHandlerTwiceIsOnce(t *testing.T) {
	s := newShop(t, nil)
	between := func(w http.ResponseWriter, r *http.Request) {
		s.pill.Publish(r.Context(), "")
		s.handler().ServeHTTP(w, r)
	}
	w := httptest.NewRecorder()
	s.site.Handler(http.HandlerFunc(between)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Len(t, w.Result().Cookies(), 1)
	require.Len(t, s.events.Take(), 1)
}

func TestHandlerWithoutAMount(t *testing.T) {
	s := newShop(t, func(_ *core.Config, c *web.Config) { c.Mount = "" })
	require.Equal(t, "red resolved", s.visit("/experiment/client.js").body, "all paths are the app's")
}

// serve visits the shop over the network, with net/http's own response writer.
func (s *shop) serve(path string) response {
	server := httptest.NewServer(s.handler())
	defer server.Close()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(server.URL + path)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return response{resp.StatusCode, resp.Header, resp.Cookies(), string(body)}
}

func TestVisitorStaysNoUnitOnceTheHeaderIsSent(t *testing.T) {
	for name, send := range map[string]func(w http.ResponseWriter){
		"write":       func(w http.ResponseWriter) { _, _ = w.Write(nil) },
		"string":      func(w http.ResponseWriter) { _, _ = io.WriteString(w, " ") },
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"controller":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"copy":        func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader(" ")) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, nil)
			page := s.page
			s.page = func(w http.ResponseWriter, r *http.Request) { send(w); page(w, r) }
			first := s.serve("/")
			require.Contains(t, first.body, "control no-unit")
			require.Empty(t, first.cookies)
			require.Empty(t, s.events.Take())
			require.Contains(t, s.serve("/?user=anna").body, "red resolved")
		})
	}
}

func TestCookieIsSentHoweverTheResponseEnds(t *testing.T) {
	for name, end := range map[string]http.HandlerFunc{
		"nothing":  func(http.ResponseWriter, *http.Request) {},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) },
		"file": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("a"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, nil)
			s.page = func(w http.ResponseWriter, r *http.Request) { s.pill.Publish(r.Context(), ""); end(w, r) }
			require.Len(t, s.serve("/").cookies, 1)
		})
	}
}

func TestEarlyHintsAreNotTheHeader(t *testing.T) {
	s := newShop(t, nil)
	page := s.page
	s.page = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusEarlyHints); page(w, r) }
	require.Len(t, s.serve("/").cookies, 1)
}

func TestHandlersCanHijack(t *testing.T) {
	s := newShop(t, nil)
	s.page = func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nraw")
		_ = rw.Flush()
	}
	require.Equal(t, "raw", s.serve("/").body)
}

func TestResponseThatDependsOnAnAssignmentIsPrivate(t *testing.T) {
	for set, want := range map[string]string{
		"":                                "private",
		"public, max-age=60, s-maxage=90": "private, max-age=60",
		"no-store":                        "no-store",
		"private, no-cache":               "private, no-cache",
	} {
		t.Run(set, func(t *testing.T) {
			s := newShop(t, nil)
			page := s.page
			s.page = func(w http.ResponseWriter, r *http.Request) {
				if set != "" {
					w.Header().Set("Cache-Control", set)
				}
				w.Header().Set("Vary", "Accept-Encoding")
				page(w, r)
			}
			h := s.visit("/").header
			require.Equal(t, want, h.Get("Cache-Control"))
			require.Equal(t, []string{"Accept-Encoding", "Cookie"}, h.Values("Vary"))
			s.flag = core.Decision{}
			require.Equal(t, set, s.visit("/").header.Get("Cache-Control"), "off depends on nobody")
		})
	}
}
