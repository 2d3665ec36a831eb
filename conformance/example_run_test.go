package conformance_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
)

// A Switchboard is a flag system with nothing but switches, and a rollout.
type Switchboard struct{ switches sync.Map }

func (s *Switchboard) Resolve(_ context.Context, r core.Request) (core.Decision, error) {
	on, ok := s.switches.Load(r.Experiment)
	switch {
	case !ok:
		return core.Decision{}, fmt.Errorf("switchboard: %w", core.ErrFlagNotFound)
	case on == false:
		return core.Decision{State: core.Off}, nil
	case len(r.Variants) > 2: // the core spreads units over them
		return core.Decision{State: core.Conditional, Variant: core.AnyVariant}, nil
	}
	return core.Decision{State: core.On, Variant: core.AnyVariant}, nil
}

// testSwitchboard is called TestConformance where it is not part of an example.
func testSwitchboard(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Name: "switchboard",
		New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
			s := new(Switchboard)
			set := func(f conformance.Flag) { s.switches.Store(f.Experiment, f.State.Enabled()) }
			if !f.Missing {
				set(f)
			}
			return s, set
		},
		Unsupported: map[core.Capability]string{
			core.NamesVariants:   "a switch is on or off",
			core.ExactWeights:    "a switch is on or off for everybody",
			core.Targets:         "a switch is on or off for everybody",
			core.StableRamp:      "there is nothing to ramp",
			core.ReportsNotReady: "switches are in memory from the start",
		},
	})
}

// A rollout is proved by one test. What its flag system lacks is said, with the
// reason.
func ExampleRun() {
	var _ func(t *testing.T) = testSwitchboard
}
