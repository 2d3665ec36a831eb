package percent_test

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

func TestConformance(t *testing.T) {
	const noTargets, noReload = "percentages cannot target one unit; use a segment", "weights are written in the program"
	noFlags := map[core.Capability]string{
		core.Targets:         noTargets,
		core.ReportsMissing:  "there are no flags that could be absent",
		core.ReportsNotReady: "there is nothing to wait for",
		core.Reloads:         noReload,
	}
	draws := maps.Clone(noFlags)
	draws[core.Deterministic] = "variants are drawn, and the store keeps what was drawn"
	draws[core.StableRamp] = "nothing is drawn twice: the store keeps units where they are"

	over := func(h conformance.Harness, made func(conformance.Flag, weights) core.Rollout) {
		t.Run(h.Name, func(t *testing.T) {
			h.New = func(_ *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
				return made(f, weightsOf(f)), nil
			}
			require.True(t, conformance.Run(t, h).Conformant())
		})
	}
	over(conformance.Harness{Name: "percent", Unsupported: noFlags},
		func(_ conformance.Flag, w weights) core.Rollout { return percent.New(w) })
	over(conformance.Harness{Name: "percent-include", Unsupported: noFlags},
		func(_ conformance.Flag, w weights) core.Rollout { return percent.Include(100, w) })
	over(conformance.Harness{Name: "percent-random", Unsupported: draws},
		func(_ conformance.Flag, w weights) core.Rollout { return percent.Random(w) })
	over(conformance.Harness{Name: "percent-round-robin", Unsupported: draws},
		func(_ conformance.Flag, w weights) core.Rollout { return percent.RoundRobin(new(counter), w) })

	// Behind takes over from its flag whether the experiment runs, and what can
	// go wrong.
	over(conformance.Harness{
		Name: "percent-behind", Unsupported: map[core.Capability]string{core.Targets: noTargets, core.Reloads: noReload},
		NotReady: func(*testing.T) core.Rollout { return percent.Behind(&boolean{unready: true}, weights{"control": 100}) },
	}, func(f conformance.Flag, w weights) core.Rollout {
		return percent.Behind(&boolean{name: f.Experiment, missing: f.Missing, on: f.State.Enabled()}, w)
	})
}

// weightsOf returns the weights of f; those of a disabled flag select nobody.
func weightsOf(f conformance.Flag) weights {
	if f.State == core.Off {
		return weights{core.Control: 100}
	}
	w := weights{}
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
