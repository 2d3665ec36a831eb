package web

import (
	"context"
	"net/http"
	"strings"
)

// Handler returns next in a request scope: the ctx of its requests knows the
// visitor. Wrap every handler that runs experiments; any router will do. It
// serves what is under Config.Mount by itself.
func (s *Site) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, ok := s.mounted(r.URL.Path); ok {
			s.serveMounted(w, r, name)
			return
		}
		if p := pageOf(r.Context()); p != nil && p.site == s {
			next.ServeHTTP(w, r)
			return
		}
		p := s.newPage(r.Context(), w, r)
		defer p.seal()
		next.ServeHTTP((*writer)(p), p.r)
	})
}

// mounted returns what follows the mount in a path.
func (s *Site) mounted(path string) (name string, ok bool) {
	if s.cfg.Mount == "" {
		return "", false
	}
	return strings.CutPrefix(path, s.cfg.Mount+"/")
}

func (s *Site) serveMounted(w http.ResponseWriter, r *http.Request, name string) {
	switch name {
	case clientPath:
		serveClient(w, r)
	case trackPath:
		s.serveTrack(w, r)
	default:
		s.serveLink(w, r, name)
	}
}

// WithRequest opens the scope of a request where no middleware runs. The
// response has to be written to the writer that it returns, and finish to be
// called at the end, so that cookies are sent even if nothing is written.
// Without w, no cookies are set: whoever has none stays no-unit.
func (s *Site) WithRequest(ctx context.Context, w http.ResponseWriter, r *http.Request) (_ context.Context, _ http.ResponseWriter, finish func()) {
	p := s.newPage(ctx, w, r)
	if w == nil {
		return p.r.Context(), nil, func() {}
	}
	return p.r.Context(), (*writer)(p), p.seal
}

// Request returns the request in whose scope ctx is, for rules that need it. nil
// outside of one.
func Request(ctx context.Context) *http.Request {
	if p := pageOf(ctx); p != nil {
		return p.r
	}
	return nil
}

// AnonymousID returns the id that the visitor's cookie holds for the experiment
// of that full name, checked; "" if there is none or the request is in no scope.
// It is for those who pass an id by hand: an actor of that id is the unit of the
// visitor.
func AnonymousID(r *http.Request, experiment string) string {
	p := pageOf(r.Context())
	if p == nil {
		return ""
	}
	return p.Visitor(experiment, false).ID
}
