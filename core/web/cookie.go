package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// cookieName returns the name of the experiment's cookie.
func (s *Site) cookieName(experiment string) string {
	cfg := &s.cfg.Cookies
	name := strings.ReplaceAll(experiment, "/", "~") + "_id"
	if cfg.Name != nil {
		name = cfg.Name(experiment)
	}
	if cfg.Host {
		name = "__Host-" + name
	}
	return name
}

// readCookie returns the visitor of the request's cookie, the zero Visitor if
// there is none or it is forged, another experiment's or stale. Of several with
// the same name, which a browser sends for several paths and domains, the first
// genuine one counts.
func (s *Site) readCookie(r *http.Request, experiment string) core.Visitor {
	name := s.cookieName(experiment)
	for _, c := range r.CookiesNamed(name) {
		if v, ok := s.signer.verifyPayload(c.Value, s.cfg.Cookies.MaxAge, signsCookie, name); ok && v.ID != "" {
			return v
		}
	}
	return core.Visitor{}
}

// newCookie returns the cookie that keeps v; without an ID, the one that deletes
// it.
func (s *Site) newCookie(experiment string, v core.Visitor) *http.Cookie {
	cfg := &s.cfg.Cookies
	name := s.cookieName(experiment)
	c := &http.Cookie{Name: name, Path: cfg.Path, Domain: cfg.Domain, SameSite: cfg.SameSite,
		Secure: !s.cfg.Insecure, HttpOnly: true, MaxAge: -1}
	if v.ID != "" {
		c.MaxAge = int(cfg.MaxAge / time.Second)
		c.Value = s.signer.signPayload(v, signsCookie, name)
	}
	return c
}
