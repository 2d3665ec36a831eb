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
