package percent

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
)

// What no rollout over weights can do, since there is no flag system.
var unsupported = map[core.Capability]string{
	core.Targets:         "weights know no single units; a segment does that",
	core.ReportsMissing:  "there are no flags that could be absent",
	core.ReportsNotReady: "there is nothing to wait for",
	core.Reloads:         "weights stand in the program",
}

// What Random and RoundRobin can't do on top of that.
var drawnUnsupported = with(unsupported, map[core.Capability]string{
	core.Deterministic: "variants are drawn, and the store keeps what was drawn",
	core.StableRamp:    "nothing is drawn twice: the store keeps units where they are",
})

func TestConformance(t *testing.T) {
	over := func(name string, made func(Weights) core.Rollout, lacks map[core.Capability]string) {
		t.Run(name, func(t *testing.T) {
			report := conformance.Run(t, conformance.Harness{
				Name: name,
				New: func(_ *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
					return made(weightsOf(f)), nil
				},
				Unsupported: lacks,
			})
			require.True(t, report.Conformant())
		})
	}
	over("percent", func(w Weights) core.Rollout { return New(w) }, unsupported)
	over("percent-include", func(w Weights) core.Rollout { return Include(100, w) }, unsupported)
	over("percent-random", func(w Weights) core.Rollout { return Random(w) }, drawnUnsupported)
	over("percent-round-robin", func(w Weights) core.Rollout { return RoundRobin(new(counter), w) }, drawnUnsupported)
}

// Behind takes over from its flag whether the experiment runs, and what can go
// wrong.
func TestBehindConforms(t *testing.T) {
	report := conformance.Run(t, conformance.Harness{
		Name: "percent-behind",
		New: func(_ *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
			return Behind(&boolean{name: f.Experiment, missing: f.Missing, on: f.State.Enabled()}, weightsOf(f)), nil
		},
		NotReady: func(*testing.T) core.Rollout { return Behind(&boolean{unready: true}, Weights{"control": 100}) },
		Unsupported: map[core.Capability]string{
			core.Targets: unsupported[core.Targets],
			core.Reloads: unsupported[core.Reloads],
		},
	})
	require.True(t, report.Conformant())
}

// weightsOf returns the weights of f; those of a disabled flag select nobody.
func weightsOf(f conformance.Flag) Weights {
	if f.State == core.Off {
		return Weights{core.Control: 100}
	}
	w := Weights{}
	for name, share := range f.Weights {
		w[name] = float64(share)
	}
	return w
}

// A boolean is a flag system with one flag, on or off for everybody.
type boolean struct {
	name                 string
	on, missing, unready bool
}

func (b *boolean) Resolve(_ context.Context, r core.Request) (core.Decision, error) {
	switch {
	case b.unready:
		return core.Decision{}, core.ErrNotReady
	case b.missing || r.Experiment != b.name:
		return core.Decision{}, fmt.Errorf("%q: %w", r.Experiment, core.ErrFlagNotFound)
	case !b.on:
		return core.Decision{State: core.Off}, nil
	}
	return core.Decision{State: core.On, Variant: core.AnyVariant}, nil
}

func (b *boolean) Describe() core.Description {
	return core.Description{Name: "boolean", Capabilities: []core.Capability{
		core.ReportsOn, core.ReportsMissing, core.ReportsNotReady, core.Deterministic}}
}

// with returns the union of two maps.
func with(a, b map[core.Capability]string) map[core.Capability]string {
	a = maps.Clone(a)
	maps.Copy(a, b)
	return a
}
