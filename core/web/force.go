package web

import (
	"net/http"
	"slices"
	"strings"
)

// ForceHeader is the header that forces variants, for calls of APIs and between
// services: values such as those of the query parameter, separated by commas.
const ForceHeader = "Glex-Force"

// Bounds of what one request forces: how many variants, and the bytes of each
// value.
const (
	maxForces = 20
	maxForce  = 1024
)

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
	may := s.cfg.MayForce != nil && callSafely(s, "MayForce", false, func() bool { return s.cfg.MayForce(r) })
	for _, value := range values {
		experiment, variant, token, ok := parseForce(value)
		if !ok || !may && !s.signer.validForce(experiment, variant, token) {
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
	if len(value) > maxForce || len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return "", "", "", false
	}
	if len(parts) == 3 {
		token = parts[2]
	}
	return parts[0], parts[1], token, true
}
