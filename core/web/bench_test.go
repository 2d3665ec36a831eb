package web_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/core/web"
)

// A null is a response that nobody reads.
type null struct{ header http.Header }

func (n *null) Header() http.Header         { return n.header }
func (n *null) Write(b []byte) (int, error) { return len(b), nil }
func (n *null) WriteHeader(int)             {}

type contextKey struct{}

// contextValue is the least that a middleware does which puts something of its
// own into the ctx.
func contextValue(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value := &struct {
			r *http.Request
			w http.ResponseWriter
		}{r, w}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, value)))
	})
}

var page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })

// TestMiddlewareAllocations: where no experiment runs, the middleware allocates
// what any does that has a value in the ctx: the value, the ctx and the request.
func TestMiddlewareAllocations(t *testing.T) {
	s := newShop(t, nil)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "a=b; shop_pill_color_id=c")
	w := &null{http.Header{}}
	cost := func(h http.Handler) float64 { return testing.AllocsPerRun(500, func() { h.ServeHTTP(w, r) }) }
	nothing := cost(page)
	require.Equal(t, nothing+3, cost(contextValue(page)))
	require.Equal(t, nothing+3, cost(s.site.Handler(page)))
}

func BenchmarkContextValue(b *testing.B) { benchmark(b, contextValue(page)) }

func BenchmarkMiddleware(b *testing.B) { benchmark(b, newShop(b, nil).site.Handler(page)) }

// BenchmarkVisitor runs one experiment for a visitor whose cookie came back.
func BenchmarkVisitor(b *testing.B) {
	s := newShop(b, func(c *core.Config, _ *web.Config) { c.Store = memstore.New(nil) })
	run := s.site.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.pill.Assign(r.Context(), "") }))
	first := httptest.NewRecorder()
	run.ServeHTTP(first, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Len(b, first.Result().Cookies(), 1)
	benchmark(b, run, first.Result().Cookies()...)
	require.Equal(b, core.Control, s.pill.Assign(context.Background(), "").Variant)
}

func benchmark(b *testing.B, h http.Handler, cookies ...*http.Cookie) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := &null{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}
