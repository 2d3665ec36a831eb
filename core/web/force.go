package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// ForceHeader is the header that forces variants, for calls of APIs and between
// services: values such as those of the query parameter, separated by commas.
const ForceHeader = "Glex-Force"

// maxForces bounds how many variants one request forces.
const maxForces = 20

// forcedBy returns the variants that the request forces and may force, by
// experiment, and whether it asks for any. A value is experiment:variant, which
// Config.MayForce has to permit, or such with a token. What other sites link to
// or a browser fetches in advance forces nothing.
func (s *Site) forcedBy(r *http.Request) (forced map[string]string, asked bool) {
	values := r.URL.Query()[s.cfg.ForceParam]
	for _, line := range r.Header.Values(ForceHeader) {
		values = append(values, strings.Split(line, ",")...)
	}
	if len(values) == 0 {
		return nil, false
	}
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" || prefetched(r) || len(values) > maxForces {
		return nil, true
	}
	may := s.cfg.MayForce != nil && s.asked("MayForce", false, func() bool { return s.cfg.MayForce(r) })
	for _, value := range values {
		experiment, variant, token, ok := parseForce(value)
		if !ok || !may && !s.validForce(experiment, variant, token) {
			continue
		}
		if forced == nil {
			forced = map[string]string{}
		}
		forced[experiment] = variant
	}
	return forced, true
}

// parseForce takes a value of the parameter apart: experiment:variant, with or
// without a token. Neither name has a colon.
func parseForce(value string) (experiment, variant, token string, ok bool) {
	parts := strings.Split(strings.TrimSpace(value), ":")
	if len(value) > maxStamp || len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return "", "", "", false
	}
	if len(parts) == 3 {
		token = parts[2]
	}
	return parts[0], parts[1], token, true
}

// ForceToken returns a value for the query parameter that forces the variant on
// whoever presents it, for as long as ttl: for a link that is given to testers.
// It can't be taken back, unless the site drops the secret. It is an error if
// the client has no such experiment or variant, or if ttl is less than a second.
// Programs without a site have the function [ForceToken], people the command
// core/web/forcetoken.
func (s *Site) ForceToken(experiment, variant string, ttl time.Duration) (string, error) {
	info, ok := s.info(experiment)
	switch {
	case !ok:
		return "", fmt.Errorf("web: no experiment is called %q on this client", experiment)
	case !slices.Contains(info.Variants, variant):
		return "", fmt.Errorf("web: experiment %s has no variant %q; the variants are %q", experiment, variant, info.Variants)
	}
	if err := checkForce(experiment, variant, ttl); err != nil {
		return "", err
	}
	return s.signer.force(experiment, variant, s.now().Add(ttl)), nil
}

// info returns what the client knows of an experiment.
func (s *Site) info(experiment string) (core.Info, bool) {
	infos := s.client.Experiments()
	i := slices.IndexFunc(infos, func(info core.Info) bool { return info.Name == experiment })
	if i < 0 {
		return core.Info{}, false
	}
	return infos[i], true
}

func (s *Site) validForce(experiment, variant, token string) bool {
	expires, signature, ok := strings.Cut(token, ".")
	if !ok || !s.signer.valid(signature, signsForce, experiment, variant, expires) {
		return false
	}
	at, err := strconv.ParseInt(expires, 36, 64)
	return err == nil && s.now().Unix() < at
}

// passTTL is how long a token lasts that one service passes to the next.
const passTTL = time.Minute

// Transport is an [http.RoundTripper] that passes on to other services what the
// request being served forces: each experiment with a token of a minute, which
// the other service accepts if it has the same secret. It adds nothing to
// requests whose ctx is in no scope.
type Transport struct {
	// Base sends the requests. nil is [http.DefaultTransport].
	Base http.RoundTripper

	// Hosts are the services to tell, as in URLs, port included. None: nobody.
	Hosts []string
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	p := pageOf(r.Context())
	if p == nil || !slices.Contains(t.Hosts, r.URL.Host) {
		return base.RoundTrip(r)
	}
	p.Forced("") // reads what is forced
	if len(p.forced) == 0 {
		return base.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	for experiment, variant := range p.forced {
		r.Header.Add(ForceHeader, p.site.signer.force(experiment, variant, p.site.now().Add(passTTL)))
	}
	return base.RoundTrip(r)
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
