// Package percent rolls experiments out by percentages that are written in the
// program. It needs no flag system, and it is the reference for what a
// [core.Rollout] should do.
//
//   - [New] splits all units by weights.
//   - [Include] lets a share of the units into the experiment and splits those:
//     the honest way to ramp, since the ratio between the variants stays.
//   - [Behind] lets a flag say whom the experiment is for, and splits those.
//   - [Random] and [RoundRobin] draw, for experiments that have a store.
//
// Units are split by their key with integer arithmetic alone, the same in every
// process and release; see [core.Points]. Shares are cut in hundredths of a
// percent, 0 never matches and 100 always does. Variants are ordered by name,
// so that reordering a definition moves nobody.
//
// Without a store, growing a share at control's cost moves only units that were
// control: always with one or two variants, and with three or more where the
// rounded weights of all grow in proportion. More is impossible without state;
// with a store only open controls move at all.
//
// Bad weights are kept, and [core.Define] refuses them with an error that says
// what is wrong.
package percent

import (
	"context"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
)

var (
	_ core.Rollout   = (*Rollout)(nil)
	_ core.Validator = (*Rollout)(nil)
	_ core.Describer = (*Rollout)(nil)
)

// saltWeights is also the salt of core.Even, so that writing the default out as
// equal weights moves nobody.
const saltWeights = "weights"

// A Rollout splits units by weights, deterministically by key. Make one with
// [New] or [Include]; the zero Rollout is Off. It is safe for many goroutines,
// and Resolve does not allocate.
//
// It is Off if it can select nobody, On if one variant other than control has
// everybody, else Conditional.
type Rollout struct {
	split
	share  uint64 // parts of all units that take part
	state  core.State
	detail string
	err    error
}

// New returns a rollout that splits all units by weights. It copies them.
func New(w Weights) *Rollout { return include(100, w, w.String()) }

// Include returns a rollout that lets the given percentage of all units into
// the experiment and splits those by weights. The others are outside: control,
// untracked. Who is let in is independent of who gets what, so the ratio stays
// whatever the percentage, and growing it keeps all who are in where they are.
//
//	percent.Include(20, percent.Weights{"control": 50, "candidate": 50})
func Include(percent float64, w Weights) *Rollout {
	return include(percent, w, percentage(percent)+" take part: "+w.String())
}

func include(percent float64, w Weights, detail string) *Rollout {
	r := &Rollout{detail: detail}
	if r.share, r.err = parts(percent); r.err != nil {
		r.err = fmt.Errorf("the percentage to include: %w", r.err)
		return r
	}
	if r.split, r.err = w.cut(); r.err != nil {
		return r
	}
	switch {
	case r.share == 0:
		r.state = core.Off
	case r.share < whole && r.split.state == core.On:
		r.state = core.Conditional
	default:
		r.state = r.split.state
	}
	return r
}

// Resolve splits by r.Key. It fails only if the weights are bad.
func (r *Rollout) Resolve(_ context.Context, req core.Request) (core.Decision, error) {
	if r.err != nil || r.state == core.Off {
		return core.Decision{}, r.err
	}
	p := core.Points(saltWeights, req.Experiment, req.Key)
	if p[2].Scale(whole) >= r.share {
		return core.Decision{State: r.state, Outside: true}, nil
	}
	return core.Decision{State: r.state, Variant: r.variant(req.Variants, p[0], p[1])}, nil
}

// Validate says what is wrong with the weights, and which of their names the
// experiment lacks.
func (r *Rollout) Validate(_ string, variants []string) error {
	if r.err != nil {
		return fmt.Errorf("percent: %w", r.err)
	}
	return r.fits(variants)
}

// Describe lists the weights.
func (r *Rollout) Describe() core.Description {
	return core.Description{Name: "percent", Detail: r.detail, Capabilities: []core.Capability{
		core.NamesVariants, core.ExactWeights, core.ReportsOn, core.StableRamp, core.Deterministic}}
}
