package glex

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

// A RoundRobinRollout gives each new unit the next variant, in turn with the
// processes that run the gem. Make it with [RoundRobin]. It is safe for many
// goroutines.
type RoundRobinRollout struct {
	counter core.Counter
	draw    Draw
}

var (
	_ core.Rollout   = (*RoundRobinRollout)(nil)
	_ core.Validator = (*RoundRobinRollout)(nil)
	_ core.Describer = (*RoundRobinRollout)(nil)
)

// roundRobinCounter is the gem's counter of the units that it has drawn for.
const roundRobinCounter = "last_round_robin_variant"

// RoundRobin returns the gem's default_rollout :round_robin among the names
// that d draws among; d has no distribution. counter is the store that the gem
// uses too, a glexstore.Store. [core.Define] refuses it on a client without a
// store.
//
// The gem forgets control and counts on when the unit comes again; a control
// that is drawn here is stored, and the gem then respects it.
func RoundRobin(counter core.Counter, d Draw) *RoundRobinRollout {
	d.Order = slices.Clone(d.Order)
	return &RoundRobinRollout{counter: counter, draw: d}
}

// Resolve answers by Choose. An error of Choose is the counter's.
func (rr *RoundRobinRollout) Resolve(_ context.Context, r core.Request) (core.Decision, error) {
	if rr.counter == nil {
		return core.Decision{}, errNoCounter
	}
	if err := rr.draw.check(r.Experiment, r.Variants); err != nil {
		return core.Decision{}, err
	}
	n := rr.draw.count(r.Variants)
	if n == 0 {
		return core.Decision{State: core.Off}, nil
	}
	variants := slices.Clone(r.Variants) // a request is not to be kept
	return core.Decision{State: core.Conditional, Choose: func(ctx context.Context) (string, error) {
		count, err := rr.counter.Increment(ctx, r.Experiment, roundRobinCounter, 1)
		if err != nil {
			return "", fmt.Errorf("round robin: %w", err)
		}
		turn := (count - 1) % int64(n)
		if turn < 0 {
			turn += int64(n) // as Ruby's modulo does
		}
		return rr.draw.name(variants, int(turn)), nil
	}}, nil
}

var errNoCounter = errors.New("glex: RoundRobin has no counter")

// Validate says what is wrong with the options.
func (rr *RoundRobinRollout) Validate(experiment string, variants []string) error {
	switch {
	case rr.counter == nil:
		return errNoCounter
	case !rr.draw.even():
		return fmt.Errorf("glex: experiment %s: the gem's round robin has no distribution", experiment)
	}
	return rr.draw.validate(experiment, variants)
}

// Describe says how the gem takes turns.
func (rr *RoundRobinRollout) Describe() core.Description {
	return core.Description{
		Name:         "glex round robin",
		Detail:       rr.draw.String(),
		Capabilities: []core.Capability{core.NamesVariants},
		NeedsStore:   true,
	}
}
