package web_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

// A store counts what is written to the one inside.
type store struct {
	core.Store
	mu            sync.Mutex
	writes, bytes int
}

func (s *store) wrote(key string, e core.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.bytes += len(key) + len(e.Variant)
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func (s *store) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
	s.wrote(key, e)
	return s.Store.Claim(ctx, experiment, key, old, e)
}

func (s *store) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	s.wrote(key, e)
	return s.Store.Save(ctx, experiment, key, e)
}

// A lab is a site behind TLS that shows one experiment: who comes without the
// query user is a visitor.
type lab struct {
	t      testing.TB
	flag   core.Decision // what the flag system says
	store  *store
	events *tracking.Recorder
	log    *bytes.Buffer
	client *core.Client
	exp    *core.Experiment[string, string]
	site   *web.Site
	server *httptest.Server
	page   func(w http.ResponseWriter, r *http.Request)
}

func newLab(t testing.TB, change func(*core.Config, *web.Config)) *lab {
	l := &lab{t: t, store: &store{Store: core.NewMemoryStore(nil)}, events: &tracking.Recorder{}, log: &bytes.Buffer{}}
	l.flag = core.Decision{State: core.Conditional, Variant: "red"}
	logger := slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := core.Config{Store: l.store, Tracker: l.events, KeySecret: secret, Logger: logger, NamePrefix: "shop"}
	cfg.Rollout = core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) { return l.flag, nil })
	webCfg := web.Config{Mount: "/experiment", Logger: logger}
	if change != nil {
		change(&cfg, &webCfg)
	}
	var err error
	l.client, err = core.New(cfg)
	require.NoError(t, err)
	l.exp = l.define("pill_color")
	l.site, err = web.New(l.client, webCfg)
	require.NoError(t, err)
	l.page = func(w http.ResponseWriter, r *http.Request) {
		a := l.exp.Publish(r.Context(), r.URL.Query().Get("user"))
		_, _ = io.WriteString(w, a.Variant+" "+a.Source.String())
	}
	l.server = httptest.NewTLSServer(l.site.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.page(w, r) })))
	t.Cleanup(l.server.Close)
	return l
}

func (l *lab) define(name string) *core.Experiment[string, string] {
	return core.MustDefine(l.client, core.Definition[string, string]{
		Name: name, Unit: func(id string) core.Unit { return core.Actor(id) },
		Variants: []core.Variant[string, string]{{Name: "red"}, {Name: "blue"}},
	})
}

// A browser keeps cookies and does not follow redirects.
type browser struct {
	l      *lab
	client *http.Client
	header http.Header
}

func (l *lab) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(l.t, err)
	client := *l.server.Client()
	client.Jar = jar
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{l: l, client: &client, header: http.Header{}}
}

// get returns the body of a page, and the response.
func (b *browser) get(path string) (string, *http.Response) {
	return b.do(http.MethodGet, path, "")
}

func (b *browser) do(method, path, body string) (string, *http.Response) {
	b.l.t.Helper()
	r, err := http.NewRequest(method, b.l.server.URL+path, bytes.NewBufferString(body))
	require.NoError(b.l.t, err)
	r.Header = b.header.Clone()
	resp, err := b.client.Do(r)
	require.NoError(b.l.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b.l.t, err)
	return string(text), resp
}

// cookies returns what the browser sends.
func (b *browser) cookies() []*http.Cookie {
	u, err := url.Parse(b.l.server.URL)
	require.NoError(b.l.t, err)
	return b.client.Jar.Cookies(u)
}

func (b *browser) setCookie(c *http.Cookie) {
	u, err := url.Parse(b.l.server.URL)
	require.NoError(b.l.t, err)
	b.client.Jar.SetCookies(u, []*http.Cookie{c})
}
