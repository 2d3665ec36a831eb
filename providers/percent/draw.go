package percent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

var (
	_ core.Rollout   = (*drawn)(nil)
	_ core.Validator = (*drawn)(nil)
	_ core.Describer = (*drawn)(nil)
)

// A drawn rollout gives each new unit a variant that does not follow from its
// key. It answers by [core.Decision.Choose], so that nothing is drawn for a unit
// that is stored, excluded or segmented.
type drawn struct {
	weights    *split       // nil: alike
	counter    core.Counter // of round robin; nil: at random
	needsStore bool
	detail     string
	err        error
}

// Random returns a rollout that draws at random, and needs a store to keep what
// it drew. It is safe for many goroutines. Its options are [Weights] and
// [EveryTime].
//
// It draws among all behaviours alike, control included, or by [Weights] where
// they are among the options. Weights that give one behaviour 100 leave nothing
// to draw: the state is Off for control and On for another.
func Random(opts ...Option) core.Rollout { return draws("random", nil, opts) }

// RoundRobin is like [Random], but gives each new unit the next behaviour in the
// order of the definition, so that groups grow evenly: the first unit gets
// control. With [Weights], which are an option like [EveryTime], any 10,000
// units in a row are split exactly, and shorter rows nearly so.
//
// counter counts units, under the name "round_robin". All processes of a
// service should share it, as they share the store. An error of it makes the
// core serve control, untracked and unstored. A draw is lost where another
// process assigned the same unit first.
func RoundRobin(counter core.Counter, opts ...Option) core.Rollout {
	d := draws("round robin", counter, opts)
	if counter == nil {
		d.err = errors.Join(errors.New("RoundRobin needs a counter, and it is nil; the stores of core are counters"), d.err)
	}
	return d
}

func draws(how string, counter core.Counter, opts []Option) *drawn {
	o := read(opts)
	d := &drawn{counter: counter, needsStore: !o.everyTime, detail: how + ", alike"}
	if o.outside {
		d.err = errors.New("UnselectedOutside is an option of Behind alone")
	}
	if o.weights != nil {
		cut, err := o.weights.cut()
		d.weights, d.err = &cut, errors.Join(d.err, err)
		d.detail = how + ": " + o.weights.String()
	}
	if o.everyTime {
		d.detail += "; every time anew"
	}
	return d
}

// Resolve returns a Decision that draws. It fails only if the options are bad.
func (d *drawn) Resolve(_ context.Context, r core.Request) (core.Decision, error) {
	switch {
	case d.err != nil:
		return core.Decision{}, d.err
	case len(r.Variants) < 2 || d.weights != nil && d.weights.state == core.Off:
		return core.Decision{State: core.Off}, nil
	case d.weights != nil && d.weights.state == core.On:
		return core.Decision{State: core.On, Variant: d.weights.at(0)}, nil
	}
	variants := slices.Clone(r.Variants) // a request is not to be kept
	return core.Decision{State: core.Conditional, Choose: func(ctx context.Context) (string, error) {
		return d.draw(ctx, r.Experiment, variants)
	}}, nil
}

// stride orders the parts of the line for round robin: the golden section of
// whole, which spreads any number of successive places evenly (Knuth, The Art
// of Computer Programming, volume 3, section 6.4), made prime to whole, so that
// each place comes once before any comes again.
const stride = 6181

func (d *drawn) draw(ctx context.Context, experiment string, variants []string) (string, error) {
	n := uint64(len(variants))
	if d.counter == nil {
		p := core.Point(rand.Uint64())
		if d.weights != nil {
			return d.weights.at(p.Scale(whole)), nil
		}
		return variants[p.Scale(n)], nil
	}
	count, err := d.counter.Increment(ctx, experiment, "round_robin", 1)
	if err != nil {
		return "", fmt.Errorf("round robin: %w", err)
	}
	turn := uint64(count - 1)
	if d.weights != nil {
		return d.weights.at(turn % whole * stride % whole), nil
	}
	return variants[turn%n], nil
}

// Validate says what is wrong with the options, and which names of the weights
// the experiment lacks.
func (d *drawn) Validate(_ string, variants []string) error {
	switch {
	case d.err != nil:
		return fmt.Errorf("percent: %w", d.err)
	case d.weights != nil:
		return d.weights.fits(variants)
	}
	return nil
}

// Describe tells how it draws.
func (d *drawn) Describe() core.Description {
	can := []core.Capability{core.NamesVariants}
	if d.weights != nil {
		can = append(can, core.ExactWeights, core.ReportsOn)
	}
	return core.Description{Name: "percent", Detail: d.detail, Capabilities: can, NeedsStore: d.needsStore}
}
