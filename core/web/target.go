package web

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

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

// maxTarget bounds the length of a target, in bytes.
const maxTarget = 2048

// safeURL returns the parsed target if all browsers agree with package url on
// where it leads: an absolute https URL with a plain host, no user, no port but
// 443, and nothing that some parser would skip, fold or normalise. insecure
// permits http and other ports.
func safeURL(target string, insecure bool) (*url.URL, error) {
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
		if rest, http = strings.CutPrefix(target, "http://"); !http || !insecure {
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
	case hasPort && port != "443" && !insecure:
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
