package web

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rolloutkit/rolloutkit/core"
)

// A page is one request and the response to it: the scope of its experiments.
// Cookies are collected and added just before the header is sent, so goroutines
// of the handler can run experiments at the same time.
type page struct {
	site *Site
	r    *http.Request
	w    http.ResponseWriter

	silence   atomic.Uint32 // Silent's answer: not yet known, no, yes
	readForce sync.Once
	forced    map[string]string
	private   atomic.Bool // the response depends on an assignment
	noStore   atomic.Bool // or on a forced one

	mu      sync.Mutex
	sealed  bool // the header is sent, or there is none
	cookies map[string]*cookieState
}

var _ core.Scope = (*page)(nil)

// A cookieState is one experiment's cookie during a request.
type cookieState struct {
	v       core.Visitor
	came    bool // with the request
	changed bool // to be sent: v, or the deletion if v has no ID
	known   bool // v is in the browser, or will be
}

// newPage returns the page of a request, whose ctx it derives from ctx. Without w
// there is no header to write.
func (s *Site) newPage(ctx context.Context, w http.ResponseWriter, r *http.Request) *page {
	p := &page{site: s, w: w, sealed: w == nil}
	p.r = r.WithContext(core.WithScope(ctx, p))
	return p
}

// pageOf returns the page of a ctx, nil outside of a request.
func pageOf(ctx context.Context) *page {
	p, _ := core.ScopeOf(ctx).(*page)
	return p
}

// Visitor implements [core.Scope].
func (p *page) Visitor(experiment string, mint bool) core.Visitor {
	mint = mint && !p.Silent()
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.cookie(experiment)
	switch {
	case c.known:
		return c.v
	case !mint || p.sealed:
		return core.Visitor{}
	case c.v.ID == "":
		c.v = core.Visitor{ID: rand.Text(), Fresh: true}
	}
	return c.v
}

// cookie returns the experiment's cookie, which is read when it is first asked
// for.
func (p *page) cookie(experiment string) *cookieState {
	if c := p.cookies[experiment]; c != nil {
		return c
	}
	c := &cookieState{v: p.site.readCookie(p.r, experiment)}
	if visitor := p.site.cfg.Visitor; c.v.ID == "" && visitor != nil {
		id := callSafely(p.site, "Visitor", "", func() string { return visitor(p.r, experiment) })
		if len(id) <= maxID {
			c.v.ID = id
		}
	}
	c.came = c.v.ID != ""
	c.known = c.came
	if p.cookies == nil {
		p.cookies = map[string]*cookieState{}
	}
	p.cookies[experiment] = c
	return c
}

// Keep implements [core.Scope].
func (p *page) Keep(experiment string, v core.Visitor) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sealed {
		return false
	}
	c := p.cookie(experiment)
	c.v, c.changed, c.known = v, true, true
	return true
}

// Drop implements [core.Scope]. Once the header is sent the cookie stays, and
// goes with the next request.
func (p *page) Drop(experiment string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.cookie(experiment)
	c.v, c.changed, c.known = core.Visitor{}, c.came, false
}

// Silent implements [core.Scope].
func (p *page) Silent() bool {
	const no, yes = 1, 2
	if p.silence.Load() == 0 {
		silence := uint32(no)
		if p.site.silent(p.r) {
			silence = yes
		}
		p.silence.Store(silence)
	}
	return p.silence.Load() == yes
}

// Depends implements [core.Scope].
func (p *page) Depends() { p.private.Store(true) }

// Forced implements [core.Scope].
func (p *page) Forced(experiment string) string { return p.allForced()[experiment] }

// allForced returns the variants that the request forces, by experiment.
func (p *page) allForced() map[string]string {
	p.readForce.Do(func() {
		var asked bool
		p.forced, asked = p.site.forcedBy(p.r)
		p.noStore.Store(asked)
	})
	return p.forced
}

// seal adds what experiments have to say to the header. It is called just before
// the header is sent, and at the end.
func (p *page) seal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sealed {
		return
	}
	p.sealed = true
	if p.cookies == nil && !p.private.Load() && !p.noStore.Load() {
		return
	}
	for _, experiment := range slices.Sorted(maps.Keys(p.cookies)) {
		if c := p.cookies[experiment]; c.changed {
			p.setCookie(experiment, c.v)
		}
	}
	h := p.w.Header()
	if p.private.Load() {
		vary(h, "Cookie")
		makePrivate(h)
	}
	if p.noStore.Load() {
		h.Set("Cache-Control", "no-store")
	}
}

// setCookie sends the cookie that keeps v; without an ID, those that delete ours
// and the other system's.
func (p *page) setCookie(experiment string, v core.Visitor) {
	http.SetCookie(p.w, p.site.newCookie(experiment, v))
	expire := p.site.cfg.ExpireVisitor
	if v.ID != "" || expire == nil {
		return
	}
	if c := callSafely(p.site, "ExpireVisitor", nil, func() *http.Cookie { return expire(experiment) }); c != nil {
		http.SetCookie(p.w, c)
	}
}
