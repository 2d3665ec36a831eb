package web

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// A stamp is a visitor at a time: what cookies and event tokens carry.
type stamp struct {
	at time.Time // in seconds
	v  core.Visitor
}

const (
	stampFormat = 1    // the first byte
	maxStamp    = 1024 // letters of a signed stamp
	maxID       = 200  // bytes of a visitor's id
	clockSkew   = 5 * time.Minute
)

// encode returns the format byte, the time, the texts, the origin and whether
// the entry is final, in base64url.
func (s stamp) encode() string {
	b := binary.AppendUvarint([]byte{stampFormat}, uint64(s.at.Unix()))
	e := &s.v.Entry
	for _, text := range []string{s.v.ID, s.v.Unit, e.Variant, e.Previous, e.Under} {
		b = appendText(b, text)
	}
	final := byte(0)
	if e.Final {
		final = 1
	}
	return base64.RawURLEncoding.EncodeToString(append(b, byte(e.Origin), final))
}

// decode reads what encode wrote. It is for text whose signature was checked.
func decode(text string) (s stamp, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != stampFormat {
		return stamp{}, false
	}
	at, n := binary.Uvarint(b[1:])
	if n <= 0 || at > 1<<40 {
		return stamp{}, false
	}
	s.at, b = time.Unix(int64(at), 0), b[1+n:]
	e := &s.v.Entry
	for _, text := range []*string{&s.v.ID, &s.v.Unit, &e.Variant, &e.Previous, &e.Under} {
		if *text, b, ok = cutText(b); !ok {
			return stamp{}, false
		}
	}
	if len(b) != 2 || b[1] > 1 || len(s.v.ID) > maxID {
		return stamp{}, false
	}
	e.Origin, e.Final = core.Source(b[0]), b[1] == 1
	return s, true
}

// signed returns the stamp with its signature, for a purpose and what it is
// bound to.
func (s *Site) signed(st stamp, purpose string, bound ...string) string {
	text := st.encode()
	return text + "." + s.signer.sign(purpose, append(bound, text)...)
}

// opened returns what signed made, unless it is forged, bound to something else
// or older than maxAge.
func (s *Site) opened(value string, maxAge time.Duration, purpose string, bound ...string) (core.Visitor, bool) {
	text, signature, ok := strings.Cut(value, ".")
	if !ok || len(value) > maxStamp || !s.signer.valid(signature, purpose, append(bound, text)...) {
		return core.Visitor{}, false
	}
	st, ok := decode(text)
	age := s.now().Sub(st.at)
	if !ok || age > maxAge || age < -clockSkew {
		return core.Visitor{}, false
	}
	return st.v, true
}

// cookieName returns the name of the experiment's cookie.
func (s *Site) cookieName(experiment string) string {
	name := ""
	if c := &s.cfg.Cookies; c.Name != nil {
		name = c.Name(experiment)
	} else {
		name = strings.ReplaceAll(experiment, "/", "~") + "_id"
	}
	if s.cfg.Cookies.Host {
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
		if v, ok := s.opened(c.Value, s.cfg.Cookies.MaxAge, signsCookie, name); ok && v.ID != "" {
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
		c.Value = s.signed(stamp{s.now(), v}, signsCookie, name)
	}
	return c
}
