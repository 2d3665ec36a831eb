package ldtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/rolloutkit/rolloutkit/internal/realserver"
)

// Version is that of the relay.
const Version = "v8.15.0"

// sdk is the SDK that the relay is built with. Some module proxies lack v7.14.0,
// which its go.mod asks for.
const sdk = "v7.14.6"

// The relay is built in a module of its own, so that the project's go.mod knows
// nothing of it. It imports an exporter for Stackdriver, which some module
// proxies lack and which runs only where it is configured, so an empty one takes
// its place.
var buildFiles = map[string]string{
	"go.mod": `module relay

go 1.26.0

require (
	github.com/launchdarkly/go-server-sdk/v7 ` + sdk + `
	github.com/launchdarkly/ld-relay/v8 ` + Version + `
)

replace github.com/launchdarkly/opencensus-go-exporter-stackdriver => ./stackdriver
`,
	"needs.go": `//go:build never

package relay

import _ "github.com/launchdarkly/ld-relay/v8"
`,
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

// build returns the path of the relay. The first call of a machine builds it,
// which takes about two minutes and needs the network.
func build() (string, error) {
	cache, err := realserver.CacheDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(cache, "ld-relay-"+Version)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(program + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(program); err == nil {
		return program, nil // another process built it while this one waited
	}
	dir, err := os.MkdirTemp(cache, "building-ld-relay-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	for name, text := range buildFiles {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	fmt.Fprintf(os.Stderr, "ldtest: building ld-relay %s, once per machine\n", Version)
	cmd := exec.Command("go", "build", "-o", "relay", "github.com/launchdarkly/ld-relay/v8")
	cmd.Dir = dir
	// -mod=mod fills go.sum; the checksum database is asked as always.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building ld-relay: %w\n%s", err, tail(out))
	}
	// It is moved into its place when it is complete, so what an interrupted
	// build leaves is never taken for the relay.
	return program, os.Rename(filepath.Join(dir, "relay"), program)
}

// tail returns the end of a program's output.
func tail(out []byte) []byte {
	const most = 2000
	return out[max(0, len(out)-most):]
}
