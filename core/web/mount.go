package web

import (
	_ "embed"
	"net/http"
	"strings"
)

// What is served under Config.Mount, besides links.
const (
	clientPath = "client.js"
	trackPath  = "track"
)

// mounted returns what follows the mount in a path.
func (s *Site) mounted(path string) (rest string, ok bool) {
	if s.cfg.Mount == "" {
		return "", false
	}
	rest, ok = strings.CutPrefix(path, s.cfg.Mount)
	return strings.TrimPrefix(rest, "/"), ok && strings.HasPrefix(rest, "/")
}

func (s *Site) serveMount(w http.ResponseWriter, r *http.Request, rest string) {
	switch rest {
	case clientPath:
		serveClient(w, r)
	case trackPath:
		s.serveTrack(w, r)
	default:
		s.serveLink(w, r, rest)
	}
}

//go:embed client.js
var clientJS string

// Types is the declaration file of the client's JavaScript, for projects in
// TypeScript.
//
//go:embed client.d.ts
var Types string

func serveClient(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(clientJS))
	}
}
