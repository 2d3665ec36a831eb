package web

import (
	"net/http"
	"slices"
	"time"
)

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
	forced := p.allForced()
	if len(forced) == 0 {
		return base.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	for experiment, variant := range forced {
		r.Header.Add(ForceHeader, p.site.signer.force(experiment, variant, time.Now().Add(passTTL)))
	}
	return base.RoundTrip(r)
}
