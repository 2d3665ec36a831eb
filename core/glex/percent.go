package glex

import (
	"context"
	"fmt"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

// A PercentRollout gives each unit the variant that the gem draws for it. Make
// it with [Percent]. It is safe for many goroutines.
type PercentRollout struct {
	draw    Draw
	shareOf [100]int // which share each hundredth falls to, -1 for none
	drawn   []bool   // whether any hundredth falls to the share
	short   bool     // whether one falls to none
}

var (
	_ core.Rollout   = (*PercentRollout)(nil)
	_ core.Validator = (*PercentRollout)(nil)
	_ core.Describer = (*PercentRollout)(nil)
)

// Percent returns the rollout of a draw, with the gem's off-by-one exactly as
// it is. It draws by the unit's newest key, as the gem does, where other
// rollouts take the oldest. [core.Define] refuses one that does not fit its
// experiment; the names of a distribution have to be the experiment's, which
// the gem does not ask.
//
// The state is On where the draw can give one variant other than control and
// nothing else, Off where it can give control alone, unless [Draw.Running] says
// otherwise, and Conditional in all other cases.
func Percent(d Draw) *PercentRollout {
	d.Array, d.Hash, d.Order = slices.Clone(d.Array), slices.Clone(d.Hash), slices.Clone(d.Order)
	p := &PercentRollout{draw: d, drawn: make([]bool, max(len(d.Array), len(d.Hash)))}
	for hundredth := range p.shareOf {
		i := p.draw.walk(hundredth)
		if p.shareOf[hundredth] = i; i < 0 {
			p.short = true
		} else {
			p.drawn[i] = true
		}
	}
	return p
}

// Resolve draws for the unit. An error says that the gem would raise one for
// it, or that the draw does not fit the experiment.
func (p *PercentRollout) Resolve(_ context.Context, r core.Request) (core.Decision, error) {
	d := &p.draw
	if err := d.check(r.Experiment, r.Variants); err != nil {
		return core.Decision{}, err
	}
	state := p.state(r.Variants)
	if state == core.Off {
		return core.Decision{State: core.Off}, nil
	}
	key := r.Current
	if key == "" { // a request that the core did not make
		key = r.Key
	}
	crc := checksum(r.Experiment, key)
	i := p.shareOf[crc%100]
	if d.even() {
		n := d.count(r.Variants)
		if n == 0 {
			return core.Decision{State: state, Variant: core.Control}, nil
		}
		i = int(crc % uint32(n))
	}
	if i < 0 {
		return core.Decision{}, fmt.Errorf("glex: experiment %s: the unit's draw is %d, and the percentages end before it: the gem raises an error", r.Experiment, crc%100)
	}
	return core.Decision{State: state, Variant: d.name(r.Variants, i)}, nil
}

// state returns the state of the draw among the variants.
func (p *PercentRollout) state(variants []string) core.State {
	d := &p.draw
	only, several := "", !d.even() && p.short
	for i := range d.count(variants) {
		if !d.even() && !p.drawn[i] {
			continue
		}
		switch name := d.name(variants, i); only {
		case "":
			only = name
		case name:
		default:
			several = true
		}
	}
	switch {
	case several:
		return core.Conditional
	case only != "" && only != core.Control:
		return core.On
	case d.Running:
		return core.Conditional
	}
	return core.Off
}

// Validate returns what the draw has against the experiment.
func (p *PercentRollout) Validate(experiment string, variants []string) error {
	return p.draw.validate(experiment, variants)
}

// Describe says how the gem draws.
func (p *PercentRollout) Describe() core.Description {
	return core.Description{
		Name:         "glex percent",
		Detail:       p.draw.String(),
		Capabilities: []core.Capability{core.NamesVariants, core.ReportsOn, core.Deterministic},
	}
}
