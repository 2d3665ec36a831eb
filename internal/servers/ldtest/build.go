package ldtest

import (
	"context"

	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
)

// version is that of the relay.
const version = "v8.15.0"

// Some module proxies lack v7.14.0 of the SDK, which the relay's go.mod asks for.
// They also lack an exporter for Stackdriver that the relay imports and that runs
// only where it is configured, so an empty one takes its place.
const modules = `
require github.com/launchdarkly/go-server-sdk/v7 v7.14.6
require github.com/launchdarkly/ld-relay/v8 ` + version + `
replace github.com/launchdarkly/opencensus-go-exporter-stackdriver => ./stackdriver`

var stackdriver = map[string]string{
	"stackdriver/go.mod": `module github.com/launchdarkly/opencensus-go-exporter-stackdriver

go 1.20

require go.opencensus.io v0.24.0
`,
	"stackdriver/exporter.go": `// Package stackdriver exports nothing.
package stackdriver

import (
	"errors"

	"go.opencensus.io/stats/view"
	"go.opencensus.io/trace"
)

type Options struct{ MetricPrefix, ProjectID string }

type Exporter struct{}

func NewExporter(Options) (*Exporter, error) { return nil, errors.New("no Stackdriver in this build") }

func (*Exporter) ExportSpan(*trace.SpanData) {}
func (*Exporter) ExportView(*view.Data)      {}
`,
}

// build returns the path of the relay.
func build() (string, error) {
	return realserver.Build(context.Background(), "ld-relay-"+version, "github.com/launchdarkly/ld-relay/v8", modules, stackdriver)
}
