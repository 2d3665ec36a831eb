package web

import "net/http"

// silent reports whether no event and no new cookie may come of the request.
func (s *Site) silent(r *http.Request) bool {
	c := &s.cfg
	switch {
	case !c.IgnorePrivacySignals && (r.Header.Get("DNT") == "1" || r.Header.Get("Sec-GPC") == "1"):
		return true
	case c.Consent != nil && !s.asked("Consent", false, func() bool { return c.Consent(r) }):
		return true
	}
	return c.Bot != nil && s.asked("Bot", true, func() bool { return c.Bot(r) })
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
