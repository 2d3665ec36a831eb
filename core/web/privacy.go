package web

import (
	"net/http"
	"strings"
)

// silent reports whether no event and no new cookie may come of the request.
func (s *Site) silent(r *http.Request) bool {
	c := &s.cfg
	switch {
	case !c.IgnorePrivacySignals && (r.Header.Get("DNT") == "1" || r.Header.Get("Sec-GPC") == "1"):
		return true
	case c.Consent != nil && !callSafely(s, "Consent", false, func() bool { return c.Consent(r) }):
		return true
	}
	return c.Bot != nil && callSafely(s, "Bot", true, func() bool { return c.Bot(r) })
}

// prefetched reports whether the browser asks on its own, before anybody wants
// to see the page.
func prefetched(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz", "X-Purpose"} {
		if v := r.Header.Get(name); v != "" && (hasToken(v, "prefetch") || hasToken(v, "prerender") || hasToken(v, "preview")) {
			return true
		}
	}
	return false
}

// hasToken reports whether word is among the words of a header.
func hasToken(header, word string) bool {
	for f := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		if strings.EqualFold(f, word) {
			return true
		}
	}
	return false
}
