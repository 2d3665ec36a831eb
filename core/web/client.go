package web

import (
	_ "embed"
	"net/http"
)

// What is served under Config.Mount, besides links.
const (
	clientPath = "client.js"
	trackPath  = "track"
)

//go:embed client.js
var clientJS string

// TypeScript is the declaration file of the client's JavaScript, client.d.ts.
//
//go:embed client.d.ts
var TypeScript string

func serveClient(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(clientJS))
	}
}
