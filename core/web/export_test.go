package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// SetClock sets what the site takes for now.
func (s *Site) SetClock(now func() time.Time) { s.now = now }

// ClientJS is what pages load.
var ClientJS = clientJS

// SignLink signs a link whatever its target.
func (s *Site) SignLink(experiment, key, target string) string {
	return s.signer.sign(signsLink, experiment, key, target)
}

// Follow returns where a link leads, "" for nowhere.
func (s *Site) Follow(rest, query string) string {
	w := httptest.NewRecorder()
	s.serveLink(w, &http.Request{Method: http.MethodGet, URL: &url.URL{RawQuery: query}, Header: http.Header{}}, rest)
	return w.Header().Get("Location")
}

// The codecs, for fuzzing.
var ParseForce = parseForce

// OpenStamp opens what may be a signed cookie.
func (s *Site) OpenStamp(value, name string) (core.Visitor, bool) {
	return s.opened(value, time.Hour, signsCookie, name)
}

// SealStamp makes a signed cookie.
func (s *Site) SealStamp(v core.Visitor, name string) string {
	return s.signed(stamp{s.now(), v}, signsCookie, name)
}

// Decode and Encode are what is signed.
func Decode(text string) (core.Visitor, time.Time, bool) {
	st, ok := decode(text)
	return st.v, st.at, ok
}

// Encode is the opposite of Decode.
func Encode(v core.Visitor, at time.Time) string { return stamp{at, v}.encode() }
