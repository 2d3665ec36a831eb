package web

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"

	"github.com/rolloutkit/rolloutkit/core"
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

// Published returns the signatures of the experiments that were run or published
// in the request of ctx, in the order of their first time. Excluded ones say so;
// those that are off are not among them.
func Published(ctx context.Context) []core.Signature {
	assignments := core.PublishedIn(ctx)
	signatures := make([]core.Signature, len(assignments))
	for i, a := range assignments {
		signatures[i] = a.Signature()
	}
	return signatures
}

// A publishedExperiment is what the page's JavaScript knows.
type publishedExperiment struct {
	core.Signature
	// Token lets the page send events; none where nothing is tracked.
	Token string `json:"token,omitempty"`
}

// publishedIn returns what is published, by experiment; the last unit of one counts.
func publishedIn(ctx context.Context) map[string]publishedExperiment {
	all := map[string]publishedExperiment{}
	p := pageOf(ctx)
	for _, a := range core.PublishedIn(ctx) {
		e := publishedExperiment{Signature: a.Signature()}
		if p != nil && p.site.cfg.Mount != "" && a.Tracked {
			e.Token = p.site.eventToken(&a)
		}
		all[a.Experiment] = e
	}
	return all
}

// scripts writes the data block, which no browser runs and no policy of scripts
// forbids, and the client: from the mount, or inline where there is none.
var scripts = template.Must(template.New("").Parse(
	`<script type="application/json" id="experiments"{{with .Track}} data-track="{{.}}"{{end}}>{{.Published}}</script>` +
		`<script{{with .Nonce}} nonce="{{.}}"{{end}}{{with .Client}} src="{{.}}"{{end}} defer>{{.Inline}}</script>`))

// Script returns the script elements that tell a page's JavaScript what was
// published so far, to be put at the end of the page. nonce is that of the
// page's Content-Security-Policy, "" for none. "" outside of a request scope.
func Script(ctx context.Context, nonce string) template.HTML {
	p := pageOf(ctx)
	if p == nil {
		return ""
	}
	data := struct {
		Published     map[string]publishedExperiment
		Nonce         string
		Track, Client string
		Inline        template.JS
	}{Published: publishedIn(ctx), Nonce: nonce}
	if mount := p.site.cfg.Mount; mount != "" {
		data.Track, data.Client = mount+"/"+trackPath, mount+"/"+clientPath
	} else {
		data.Inline = template.JS(clientJS)
	}
	var b bytes.Buffer
	if err := scripts.Execute(&b, data); err != nil {
		p.site.cfg.Logger.ErrorContext(ctx, "experiment: no script", "error", err)
		return ""
	}
	return template.HTML(b.String())
}

// PublishedHandler returns a handler for pages that are made in the browser: it
// calls publish, which publishes the experiments that the page is to show, and
// answers with what Script would put into the page, as JSON. It belongs behind
// [Site.Handler].
func PublishedHandler(publish func(r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		publish(r)
		body, err := json.Marshal(publishedIn(r.Context()))
		if err != nil {
			http.Error(w, "no experiments", http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(body)
	})
}

// Funcs returns functions for templates. Both take the request's ctx first, so
// that a template is parsed once:
//
//	{{if eq (variant .Ctx "pill_color") "red"}} ... {{end}}
//	<button data-key="{{(experiment .Ctx "pill_color").Key}}">
//
// variant returns the name of the variant that was published under the
// experiment's full name, control if there is none; experiment the signature.
func Funcs() template.FuncMap {
	return template.FuncMap{"experiment": signatureOf, "variant": func(ctx context.Context, experiment string) string {
		return signatureOf(ctx, experiment).Variant
	}}
}

func signatureOf(ctx context.Context, experiment string) core.Signature {
	found := core.Signature{Experiment: experiment, Variant: core.Control}
	for _, a := range core.PublishedIn(ctx) {
		if a.Experiment == experiment {
			found = a.Signature()
		}
	}
	return found
}

func serveClient(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(clientJS))
	}
}
