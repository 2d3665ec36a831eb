package unleash

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/unleashtest"
)

// TestConformance is against a real server, whose toggles are made by its admin
// API.
func TestConformance(t *testing.T) {
	server := unleashtest.Shared(t)
	report := conformance.Run(t, conformance.Harness{
		Name: "unleash",
		New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
			put := func(f conformance.Flag) unleashtest.Toggle {
				toggle := toggleOf(f)
				if !f.Missing {
					server.Put(t, toggle)
				}
				return toggle
			}
			toggle := put(f)
			r := overReal(t, server, nil)
			if !f.Missing {
				sees(t, r, toggle)
			}
			return r, func(f conformance.Flag) { sees(t, r, put(f)) }
		},
		NotReady: unready,
	})
	require.True(t, report.Conformant())
}

// TestConformanceOfBootstrapData is the same without a server: toggles are what
// the client was started with, until a server answers.
func TestConformanceOfBootstrapData(t *testing.T) {
	report := conformance.Run(t, conformance.Harness{Name: "unleash-bootstrap", New: bootstrapped(nil), NotReady: unready})
	require.True(t, report.Conformant())
}

// TestConformanceOfBooleanToggles ignores what the toggles name.
func TestConformanceOfBooleanToggles(t *testing.T) {
	report := conformance.Run(t, conformance.Harness{
		Name: "unleash-boolean", New: bootstrapped(&Options{Boolean: true}), NotReady: unready,
		Unsupported: map[core.Capability]string{core.NamesVariants: "Options.Boolean has variants not looked at"},
	})
	require.True(t, report.Conformant())
}

func unready(t *testing.T) core.Rollout {
	s := NewStorage(nil, nil)
	return New(newClient(t, nowhere, uc.WithStorage(s)), &Options{Storage: s})
}

func bootstrapped(opts *Options) func(*testing.T, conformance.Flag) (core.Rollout, func(conformance.Flag)) {
	return func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
		o := Options{}
		if opts != nil {
			o = *opts
		}
		server := newFake(t, "[]")
		server.answer(http.StatusServiceUnavailable)
		bootstrap := &uc.BootstrapStorage{Reader: strings.NewReader(`{"version":1,"features":` + featuresOf(t, f) + `}`)}
		o.Storage = NewStorage(bootstrap, nil)
		r := New(newClient(t, server.URL, uc.WithStorage(o.Storage), counting, seldom), &o)
		return r, func(f conformance.Flag) {
			server.set(t, featuresOf(t, f), "")
			server.answer(0)
			sees(t, r, toggleOf(f))
		}
	}
}

// featuresOf returns f as a server sends it, beside another toggle.
func featuresOf(t *testing.T, f conformance.Flag) string {
	features := []any{map[string]any{"name": "another", "enabled": true}}
	if toggle := toggleOf(f); !f.Missing {
		features = append(features, map[string]any{
			"name": toggle.Name, "enabled": !toggle.Disabled, "strategies": toggle.Strategies,
		})
	}
	text, err := json.Marshal(features)
	require.NoError(t, err)
	return string(text)
}

// toggleOf returns f as a toggle: a strategy for each target, and one for all
// others, which selects all but control and splits them by weight. So control is
// who is not selected, and a growing share takes units from control alone.
func toggleOf(f conformance.Flag) unleashtest.Toggle {
	toggle := unleashtest.Toggle{Name: f.Experiment}
	var kept []string // from being selected
	for _, key := range slices.Sorted(maps.Keys(f.Targets)) {
		if f.Targets[key] == core.Control {
			kept = append(kept, key)
			continue
		}
		s := unleashtest.Gradual(f.Experiment, 100, unleashtest.Weighted(f.Targets[key], 1000))
		s.Constraints = []unleashtest.Constraint{{Field: "userId", Operator: "IN", Values: []string{key}}}
		toggle.Strategies = append(toggle.Strategies, s)
	}
	control := f.Weights[core.Control]
	toggle.Disabled = f.State == core.Off && control < 100
	if control == 100 {
		toggle.Strategies = append(toggle.Strategies, unleashtest.Gradual(f.Experiment, 0))
		return toggle
	}
	var variants []unleashtest.Variant
	rest := 1000
	for _, name := range f.Names() {
		if share, ok := f.Weights[name]; ok && name != core.Control {
			weight := (share*1000 + (100-control)/2) / (100 - control)
			variants = append(variants, unleashtest.Weighted(name, weight))
			rest -= weight
		}
	}
	if n := len(variants); n > 0 {
		variants[n-1].Weight += rest // rounding
	}
	others := unleashtest.Gradual(f.Experiment, 100-control, variants...)
	if kept != nil {
		others.Constraints = []unleashtest.Constraint{{Field: "userId", Operator: "NOT_IN", Values: kept}}
	}
	toggle.Strategies = append(toggle.Strategies, others)
	return toggle
}
