package web

import (
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rolloutkit/rolloutkit/core"
)

// A page is one request and the response to it: the scope of its experiments.
// What is to be in the response's header waits until the header is written, so
// that goroutines of the handler can run experiments at the same time.
type page struct {
	site *Site
	r    *http.Request
	w    http.ResponseWriter

	quiet   atomic.Uint32 // silent: unasked, no, yes
	forces  sync.Once
	forced  map[string]string
	private atomic.Bool // the response depends on an assignment
	noStore atomic.Bool // or on a forced one

	mu     sync.Mutex
	sealed bool // the header is written, or there is none
	jar    map[string]*jarred
}

var _ core.Scope = (*page)(nil)

// A jarred is one experiment's cookie during a request.
type jarred struct {
	v      core.Visitor
	came   bool // with the request
	change bool // to be sent: v, or the deletion if v has no ID
	kept   bool // v is in the browser, or will be
}

// Visitor implements [core.Scope].
func (p *page) Visitor(experiment string, mint bool) core.Visitor {
	mint = mint && !p.Silent()
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.open(experiment)
	switch {
	case j.kept:
		return j.v
	case !mint || p.sealed:
		return core.Visitor{}
	case j.v.ID == "":
		j.v = core.Visitor{ID: rand.Text(), Fresh: true}
	}
	return j.v
}

// open returns the experiment's cookie, read when it is first asked for.
func (p *page) open(experiment string) *jarred {
	if j := p.jar[experiment]; j != nil {
		return j
	}
	j := &jarred{v: p.site.readCookie(p.r, experiment)}
	if ask := p.site.cfg.Visitor; j.v.ID == "" && ask != nil {
		p.site.asked("Visitor", false, func() bool {
			if id := ask(p.r, experiment); len(id) <= maxID {
				j.v.ID = id
			}
			return true
		})
	}
	j.came = j.v.ID != ""
	j.kept = j.came
	if p.jar == nil {
		p.jar = map[string]*jarred{}
	}
	p.jar[experiment] = j
	return j
}

// Keep implements [core.Scope].
func (p *page) Keep(experiment string, v core.Visitor) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sealed {
		return false
	}
	j := p.open(experiment)
	j.v, j.change, j.kept = v, true, true
	return true
}

// Drop implements [core.Scope]. Once the header is written the cookie stays, and
// goes with the next request.
func (p *page) Drop(experiment string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.open(experiment)
	j.v, j.change, j.kept = core.Visitor{}, j.came, false
}

// Silent implements [core.Scope].
func (p *page) Silent() bool {
	const no, yes = 1, 2
	if p.quiet.Load() == 0 {
		quiet := uint32(no)
		if p.site.silent(p.r) {
			quiet = yes
		}
		p.quiet.Store(quiet)
	}
	return p.quiet.Load() == yes
}

// Depends implements [core.Scope].
func (p *page) Depends() { p.private.Store(true) }

// Forced implements [core.Scope].
func (p *page) Forced(experiment string) string {
	p.forces.Do(func() {
		var asked bool
		p.forced, asked = p.site.forcedBy(p.r)
		p.noStore.Store(asked)
	})
	return p.forced[experiment]
}

// seal writes what experiments have to say into the header. It is called before
// the header is written, and at the end.
func (p *page) seal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sealed {
		return
	}
	p.sealed = true
	if p.jar == nil && !p.private.Load() && !p.noStore.Load() {
		return
	}
	h := p.w.Header()
	for _, experiment := range slices.Sorted(maps.Keys(p.jar)) {
		j := p.jar[experiment]
		if !j.change {
			continue
		}
		http.SetCookie(p.w, p.site.newCookie(experiment, j.v))
		if expire := p.site.cfg.ExpireVisitor; expire != nil && j.v.ID == "" {
			p.site.asked("ExpireVisitor", false, func() bool {
				if c := expire(experiment); c != nil {
					http.SetCookie(p.w, c)
				}
				return true
			})
		}
	}
	if p.private.Load() {
		vary(h, "Cookie")
		makePrivate(h)
	}
	if p.noStore.Load() {
		h.Set("Cache-Control", "no-store")
	}
}

// vary adds a field to Vary, unless it is there.
func vary(h http.Header, field string) {
	for _, line := range h.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, field) {
				return
			}
		}
	}
	h.Add("Vary", field)
}

// makePrivate keeps the response out of shared caches, and leaves the rest of
// Cache-Control as the app wants it.
func makePrivate(h http.Header) {
	kept := []string{"private"}
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			directive = strings.TrimSpace(directive)
			name, _, _ := strings.Cut(strings.ToLower(directive), "=")
			switch name {
			case "", "public", "s-maxage", "private":
			case "no-store":
				return
			default:
				kept = append(kept, directive)
			}
		}
	}
	h.Set("Cache-Control", strings.Join(kept, ", "))
}
