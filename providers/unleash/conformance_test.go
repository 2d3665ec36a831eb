package unleash_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/unleashtest"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// Toggles are made by a real server's admin API.
func TestConformance(t *testing.T) {
	server := unleashtest.Shared(t)
	conforms(t, conformance.Harness{
		Name: "unleash",
		New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
			s := overReal(t, server)
			set := func(f conformance.Flag) {
				if !f.Missing {
					s.put(t, server, toggleOf(f))
				}
			}
			set(f)
			return s, set
		},
	})
}

// Toggles are what the client was started with, until a server answers.
func TestConformanceOfBootstrapData(t *testing.T) {
	conforms(t, conformance.Harness{Name: "unleash-bootstrap", New: bootstrapped(unleash.Options{})})
}

func TestConformanceOfBooleanToggles(t *testing.T) {
	conforms(t, conformance.Harness{
		Name: "unleash-boolean", New: bootstrapped(unleash.Options{Boolean: true}),
		Unsupported: map[core.Capability]string{core.NamesVariants: "Options.Boolean has variants not looked at"},
	})
}

func conforms(t *testing.T, h conformance.Harness) {
	h.NotReady = func(t *testing.T) core.Rollout { return newSystem(t, nowhere, unleash.Options{}) }
	require.True(t, conformance.Run(t, h).Conformant())
}

func bootstrapped(opts unleash.Options) func(*testing.T, conformance.Flag) (core.Rollout, func(conformance.Flag)) {
	return func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
		server := newFake(t, "")
		server.answer(http.StatusServiceUnavailable)
		opts.Storage = unleash.NewStorage(&uc.BootstrapStorage{Reader: strings.NewReader(answered(t, featuresOf(t, f, toggleOf(f)), ""))}, nil)
		s := newSystem(t, server.URL, opts)
		return s, func(f conformance.Flag) {
			toggle := toggleOf(f)
			server.set(t, featuresOf(t, f, toggle), "")
			server.answer(0)
			s.sees(t, toggle)
		}
	}
}

// featuresOf returns f's toggle as a server sends it, beside another one.
func featuresOf(t *testing.T, f conformance.Flag, toggle unleashtest.Toggle) string {
	const another = `{"name":"another","enabled":true}`
	if f.Missing {
		return another
	}
	text, err := json.Marshal(map[string]any{"name": toggle.Name, "enabled": !toggle.Disabled, "strategies": toggle.Strategies,
		"description": toggle.Description})
	require.NoError(t, err)
	return another + "," + string(text)
}

// revision tells toggles of one name apart, by their descriptions.
var revision atomic.Int64

// sees waits until rollouts evaluate by the toggle as it is now.
func (s *system) sees(t testing.TB, toggle unleashtest.Toggle) {
	t.Helper()
	eventually(t, func() bool {
		f := s.storage.Known(toggle.Name)
		return f != nil && f.Description == toggle.Description
	})
}

// toggleOf returns f as a toggle: a strategy for each target, and one for all
// others, which selects all but control and splits them by weight. So control is
// who is not selected, and a growing share takes units from control alone.
func toggleOf(f conformance.Flag) unleashtest.Toggle {
	toggle := unleashtest.Toggle{Name: f.Experiment, Description: fmt.Sprint("revision ", revision.Add(1))}
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
