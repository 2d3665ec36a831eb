package web

import (
	"net/http"
	"strings"
)

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
