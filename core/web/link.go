package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// ActionVisited is the action of the event that a link sends.
const ActionVisited = "visited"

// LinkPath returns the path of a link to target that tracks who follows it, for
// mails and for pages made long before anybody reads them. sig says whose visit
// it will be: that of [core.Assignment.Signature], or of [core.Trial.Signature].
// The link is signed, so Config.Redirect need not permit target. It is an error
// if Config.Mount is empty, if sig has no key, or if target is not a safe URL:
// https, a plain host name, neither user nor port.
func (s *Site) LinkPath(sig core.Signature, target string) (string, error) {
	switch {
	case s.cfg.Mount == "":
		return "", errors.New("web: links need Config.Mount")
	case sig.Experiment == "" || sig.Key == "" || strings.Contains(sig.Key, ":"):
		return "", fmt.Errorf("web: experiment %q: a link needs the key of a unit, without a colon", sig.Experiment)
	}
	if _, err := safeURL(target, s.cfg.Insecure); err != nil {
		return "", err
	}
	id := url.PathEscape(sig.Experiment) + ":" + url.PathEscape(sig.Key)
	id = strings.ReplaceAll(id, "%2F", "/")
	return s.cfg.Mount + "/" + id + ":" + s.signer.sign(signsLink, sig.Experiment, sig.Key, target) +
		"?" + url.QueryEscape(target), nil
}

// LinkURL is LinkPath with Config.BaseURL before it.
func (s *Site) LinkURL(sig core.Signature, target string) (string, error) {
	if s.cfg.BaseURL == "" {
		return "", errors.New("web: LinkURL needs Config.BaseURL")
	}
	path, err := s.LinkPath(sig, target)
	if err != nil {
		return "", err
	}
	return s.cfg.BaseURL + path, nil
}

// A link is what LinkPath wrote, or somebody by hand.
type link struct{ experiment, key, signature, target string }

// parseLink takes a link apart: its path after the mount, and its query. The
// target is the whole query, or an escaped URL up to the first "&": programs
// that send mails like to append parameters.
func parseLink(path, query string) (l link, ok bool) {
	parts := strings.Split(path, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" || query == "" {
		return link{}, false
	}
	l = link{experiment: parts[0], key: parts[1], target: query}
	if len(parts) == 3 {
		l.signature = parts[2]
	}
	if strings.HasPrefix(query, "https://") || strings.HasPrefix(query, "http://") {
		return l, true
	}
	query, _, _ = strings.Cut(query, "&")
	target, err := url.QueryUnescape(query)
	l.target = target
	return l, err == nil
}

// serveLink tracks a visit and redirects. What is not safe is refused, whoever
// signed it; what is not signed needs Config.Redirect.
func (s *Site) serveLink(w http.ResponseWriter, r *http.Request, path string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	l, ok := parseLink(path, r.URL.RawQuery)
	if !ok {
		http.NotFound(w, r)
		return
	}
	target, err := safeURL(l.target, s.cfg.Insecure)
	if err != nil || !s.signer.valid(l.signature, signsLink, l.experiment, l.key, l.target) && !s.permits(target) {
		http.Error(w, "this link leads nowhere", http.StatusNotFound)
		return
	}
	if r.Method == http.MethodGet && !prefetched(r) && !s.silent(r) {
		// Whoever follows a link gets where it leads, whatever becomes of the event.
		visit := core.Event{Action: ActionVisited, Fields: map[string]any{"url": l.target}}
		if err := s.client.TrackKey(r.Context(), l.experiment, l.key, visit); err != nil {
			s.logUntracked(r.Context(), "visit", l.experiment, err)
		}
	}
	h.Set("Location", l.target)
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// permits asks Config.Redirect.
func (s *Site) permits(target *url.URL) bool {
	ask := s.cfg.Redirect
	return ask != nil && callSafely(s, "Redirect", false, func() bool { return ask(target) })
}
