package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
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
	if _, err := s.safeURL(target); err != nil {
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

// parseLink takes the rest of a link's path and its query apart. The target is
// the whole query, or what stands in it escaped, up to the first "&": programs
// that send mails like to append parameters.
func parseLink(rest, query string) (experiment, key, signature, target string, ok bool) {
	parts := strings.Split(rest, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" || query == "" {
		return "", "", "", "", false
	}
	if len(parts) == 3 {
		signature = parts[2]
	}
	if strings.HasPrefix(query, "https://") || strings.HasPrefix(query, "http://") {
		return parts[0], parts[1], signature, query, true
	}
	query, _, _ = strings.Cut(query, "&")
	target, err := url.QueryUnescape(query)
	return parts[0], parts[1], signature, target, err == nil
}

// serveLink tracks a visit and redirects. What is not safe is refused, whoever
// signed it; what is not signed needs Config.Redirect.
func (s *Site) serveLink(w http.ResponseWriter, r *http.Request, rest string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	experiment, key, signature, target, ok := parseLink(rest, r.URL.RawQuery)
	if !ok {
		http.NotFound(w, r)
		return
	}
	u, err := s.safeURL(target)
	if err == nil && (signature == "" || !s.signer.valid(signature, signsLink, experiment, key, target)) {
		permits := s.cfg.Redirect
		if permits == nil || !s.asked("Redirect", false, func() bool { return permits(u) }) {
			err = errNotPermitted
		}
	}
	if err != nil {
		http.Error(w, "this link leads nowhere", http.StatusNotFound)
		return
	}
	if r.Method == http.MethodGet && !prefetched(r) && !s.silent(r) {
		s.visited(r.Context(), experiment, key, target)
	}
	h.Set("Location", target)
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// visited tracks a visit. Whoever follows a link gets where it leads, so an
// error, such as an assignment that is forgotten by now, only goes to the log.
func (s *Site) visited(ctx context.Context, experiment, key, target string) {
	err := s.client.TrackKey(ctx, experiment, key, core.Event{Action: ActionVisited, Fields: map[string]any{"url": target}})
	s.untracked(ctx, "visit", experiment, err)
}

// untracked logs why an event from outside was not tracked. The name of an
// experiment that does not exist is anybody's text, and stays out of the log.
func (s *Site) untracked(ctx context.Context, what, experiment string, err error) {
	if err == nil {
		return
	}
	if _, ok := s.info(experiment); ok {
		s.log.DebugContext(ctx, "experiment: an event was not tracked", "event", what, "error", err)
	}
}

// AllowHosts returns a Config.Redirect that permits the named hosts, exactly as
// they are: not their subdomains. A host with a port, such as "127.0.0.1:8080",
// is for Config.Insecure.
func AllowHosts(hosts ...string) func(*url.URL) bool {
	allowed := make(map[string]bool, len(hosts))
	for _, host := range hosts {
		allowed[strings.ToLower(host)] = true
	}
	return func(u *url.URL) bool {
		host := strings.ToLower(u.Host)
		return allowed[host] || u.Scheme == "https" && allowed[strings.TrimSuffix(host, ":443")]
	}
}

var errNotPermitted = errors.New("web: Config.Redirect does not permit the URL")

// maxTarget bounds the length of a target, in bytes.
const maxTarget = 2048

// safeURL returns the parsed target if all browsers agree with package url on
// where it leads: an absolute https URL with a plain host, no user, no port but
// 443, and nothing that some parser would skip, fold or normalise.
func (s *Site) safeURL(target string) (*url.URL, error) {
	unsafe := func(why string) (*url.URL, error) { return nil, fmt.Errorf("web: the target of a link %s", why) }
	if len(target) > maxTarget {
		return unsafe(fmt.Sprintf("has %d bytes; at most %d are allowed", len(target), maxTarget))
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>' || c == '`' {
			return unsafe("has a character that has to be escaped")
		}
	}
	rest, https := strings.CutPrefix(target, "https://")
	if !https {
		var http bool
		if rest, http = strings.CutPrefix(target, "http://"); !http || !s.cfg.Insecure {
			return unsafe("does not begin with https://")
		}
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	host, port, hasPort := strings.Cut(authority, ":")
	switch {
	case !plainHost(host):
		return unsafe("has a host that is not letters, digits, dots and hyphens")
	case hasPort && port != "443" && !s.cfg.Insecure:
		return unsafe("has a port")
	}
	u, err := url.Parse(target)
	if err != nil {
		return unsafe("is no URL")
	}
	if u.Host != authority || u.User != nil || u.Opaque != "" {
		return unsafe("has a host that is ambiguous")
	}
	return u, nil
}

// plainHost reports whether host is a name of labels in ASCII, as in RFC 1123,
// or an IPv4 address of four decimal numbers. Browsers read 0x7f.1 as an
// address too.
func plainHost(host string) bool {
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	if '0' <= last[0] && last[0] <= '9' { // browsers take it for an address
		address, err := netip.ParseAddr(host)
		return err == nil && address.Is4()
	}
	return len(host) <= 253
}
