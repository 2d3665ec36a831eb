package web_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/core/web"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

// A store counts what is written to the one inside, and notes all that it is
// told.
type store struct {
	core.Store
	mu     sync.Mutex
	told   strings.Builder
	writes int
}

func (s *store) note(writes int, told ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes += writes
	fmt.Fprintln(&s.told, told...)
}

func (s *store) Load(ctx context.Context, lookups []core.Lookup) error {
	s.note(0, lookups)
	return s.Store.Load(ctx, lookups)
}

func (s *store) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, bool, error) {
	s.note(1, experiment, key, old, e)
	return s.Store.Claim(ctx, experiment, key, old, e)
}

func (s *store) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	s.note(1, experiment, key, e)
	return s.Store.Save(ctx, experiment, key, e)
}

// A shop is a site that shows one experiment. Who comes without the query user is
// a visitor.
type shop struct {
	t      testing.TB
	flag   core.Decision // what the flag system says
	store  *store
	events *tracking.Recorder
	client *core.Client
	pill   *experiment
	site   *web.Site
	page   http.HandlerFunc // by default the variant of pill and its source
}

type (
	experiment = core.Experiment[string, string]
	definition = core.Definition[string, string]
)

// newShop makes a shop, with changes to its configuration where change is not
// nil.
func newShop(t testing.TB, change func(*core.Config, *web.Config)) *shop {
	s := &shop{t: t, store: &store{Store: memstore.New(nil)}, events: &tracking.Recorder{}}
	s.flag = core.Decision{State: core.Conditional, Variant: "red"}
	logger := slog.New(slog.DiscardHandler)
	cfg := core.Config{Store: s.store, Tracker: s.events, KeySecret: secret, Logger: logger, NamePrefix: "shop"}
	cfg.Rollout = core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) { return s.flag, nil })
	webCfg := web.Config{Mount: "/experiment", Logger: logger}
	if change != nil {
		change(&cfg, &webCfg)
	}
	var err error
	s.client, err = core.New(cfg)
	require.NoError(t, err)
	s.pill = s.define(definition{Name: "pill_color"})
	s.site, err = web.New(s.client, webCfg)
	require.NoError(t, err)
	s.page = func(w http.ResponseWriter, r *http.Request) {
		a := s.pill.Publish(r.Context(), r.URL.Query().Get("user"))
		_, _ = io.WriteString(w, a.Variant+" "+string(a.Source))
	}
	return s
}

// define fills in what most experiments of these tests have.
func (s *shop) define(d definition) *experiment {
	d.Variants = []core.Variant[string, string]{{Name: "red"}, {Name: "blue"}}
	if d.Unit == nil {
		d.Unit = core.Actor[string]
	}
	return core.MustDefine(s.client, d)
}

func (s *shop) handler() http.Handler {
	return s.site.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.page(w, r) }))
}

// visit returns what a new browser gets that sends the cookies.
func (s *shop) visit(path string, cookies ...*http.Cookie) response {
	b := s.browser()
	b.jar.SetCookies(base, cookies)
	return b.get(path)
}

// A browser keeps cookies, and does not follow redirects. There is no network
// between it and the shop.
type browser struct {
	s      *shop
	jar    http.CookieJar
	header http.Header
}

var base = &url.URL{Scheme: "https", Host: "shop.example", Path: "/"}

func (s *shop) browser() *browser {
	jar, _ := cookiejar.New(nil) // which never fails
	return &browser{s, jar, http.Header{}}
}

// with returns the browser with one header more; without a value, one less.
func (b *browser) with(name, value string) *browser {
	b.header.Del(name)
	if value != "" {
		b.header.Set(name, value)
	}
	return b
}

// cookies returns what the browser sends.
func (b *browser) cookies() []*http.Cookie { return b.jar.Cookies(base) }

// A response is what the shop answered.
type response struct {
	status  int
	header  http.Header
	cookies []*http.Cookie // that it sets or deletes
	body    string
}

func (b *browser) get(path string) response { return b.do(http.MethodGet, path, "") }

func (b *browser) do(method, path, body string) response {
	r := httptest.NewRequest(method, "https://"+base.Host+path, strings.NewReader(body))
	r.Header = b.header.Clone()
	for _, c := range b.cookies() {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.s.handler().ServeHTTP(w, r)
	cookies := w.Result().Cookies()
	b.jar.SetCookies(base, cookies)
	return response{w.Code, w.Header(), cookies, w.Body.String()}
}
