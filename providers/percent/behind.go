package percent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/rolloutkit/rolloutkit/core"
)

var (
	_ core.Rollout   = (*gated)(nil)
	_ core.Validator = (*gated)(nil)
	_ core.Describer = (*gated)(nil)
)

// A gated rollout splits the units that a flag selects.
type gated struct {
	split
	flag    core.Rollout
	depth   int // how many gated rollouts lie on top of each other, this one included
	salt    string
	outside bool
	detail  string
	err     error
}

// Behind returns a rollout of two parts: flag says whether the experiment runs
// and whom it is for, and the weights, control included, split those. Only
// whether the flag selects a unit counts, not which variant it names. So a team
// whose flags are on or off gets experiments with any weights.
//
// The weights are independent of how the flag selects, even if it is a rollout
// of this package, another Behind included. One that is hidden in a wrapper of
// another package's is not seen; two Behind with nothing else in between then
// agree.
//
// Units that the flag does not select are tracked controls, or outside of the
// experiment with [UnselectedOutside]. Its errors, Off and Outside are passed
// on. The state is On if both the flag is On and one variant other than control
// has a weight of 100. A flag that draws, by [core.Decision.Choose], is an
// error.
//
// The rollout is safe for many goroutines if the flag is. Its method Unwrap
// returns the flag.
func Behind(flag core.Rollout, w Weights, opts ...Option) core.Rollout {
	o := read(opts)
	g := &gated{flag: flag, depth: 1, salt: "behind", outside: o.outside}
	if inner, ok := flag.(*gated); ok {
		g.depth = inner.depth + 1
		g.salt += strconv.Itoa(g.depth)
	}
	var errs []error
	if flag == nil {
		errs = append(errs, errors.New("the flag of Behind is nil"))
	}
	if o.everyTime || o.weights != nil {
		errs = append(errs, errors.New("Behind takes the option UnselectedOutside only"))
	}
	cut, err := w.cut()
	g.split, g.err = cut, errors.Join(append(errs, err)...)
	d := describe(flag)
	g.detail = "behind " + d.Name
	if d.Detail != "" {
		g.detail += " (" + d.Detail + ")"
	}
	g.detail += ": " + w.String()
	if o.outside {
		g.detail += "; unselected are outside"
	}
	return g
}

// describe returns the flag's description, or its Go type for a name.
func describe(flag core.Rollout) (d core.Description) {
	if f, ok := flag.(core.Describer); ok {
		d = f.Describe()
	}
	if d.Name == "" {
		d.Name = fmt.Sprintf("%T", flag)
	}
	return d
}

// Unwrap returns the flag, for those who look for one of theirs.
func (g *gated) Unwrap() core.Rollout { return g.flag }

// Resolve asks the flag and, if that selects the unit, splits by r.Key. It
// fails if the flag does, or if the weights are bad.
func (g *gated) Resolve(ctx context.Context, r core.Request) (core.Decision, error) {
	if g.err != nil {
		return core.Decision{}, g.err
	}
	d, err := g.flag.Resolve(ctx, r)
	switch {
	case err != nil:
		return core.Decision{}, err
	case d.State == core.Off:
		return d, nil
	case d.Choose != nil:
		return core.Decision{}, errors.New("the flag of Behind draws, so it can't say whom the experiment is for")
	case g.state == core.Off:
		return core.Decision{State: core.Off, Reason: d.Reason}, nil
	case d.Outside:
		return d, nil
	case d.Variant == "" || d.Variant == core.Control:
		d.Outside = g.outside
		return d, nil
	}
	if d.State == core.On {
		d.State = g.state
	}
	p := core.Points(g.salt, r.Experiment, r.Key)
	d.Variant = g.variant(r.Variants, p[0], p[1])
	return d, nil
}

// Validate says what is wrong with the flag or the weights, and which of their
// names the experiment lacks. Flags of this package may name other variants
// than the experiment has, since only whom they select counts.
func (g *gated) Validate(experiment string, variants []string) error {
	if g.err != nil {
		return fmt.Errorf("percent: %w", g.err)
	}
	err := g.fits(variants)
	switch flag := g.flag.(type) {
	case *Rollout:
		if flag.err != nil {
			err = errors.Join(err, fmt.Errorf("percent: the flag of Behind: %w", flag.err))
		}
	case *drawn:
		err = errors.Join(err, errors.New("percent: the flag of Behind draws, so it can't say whom the experiment is for"))
	case core.Validator:
		err = errors.Join(err, flag.Validate(experiment, variants))
	}
	return err
}

// Describe tells the flag and the weights. Of the flag's capabilities those
// remain that do not depend on which variant it names.
func (g *gated) Describe() core.Description {
	flag := describe(g.flag)
	d := core.Description{Name: "percent", Detail: g.detail, NeedsStore: flag.NeedsStore}
	if flag.Capabilities == nil {
		return d // the flag says nothing of them
	}
	d.Capabilities = []core.Capability{core.NamesVariants, core.ExactWeights}
	for _, c := range flag.Capabilities {
		switch c {
		case core.ReportsOn, core.ReportsMissing, core.ReportsNotReady, core.Reloads, core.Deterministic:
			d.Capabilities = append(d.Capabilities, c)
		}
	}
	if slices.Contains(d.Capabilities, core.Deterministic) {
		d.Capabilities = append(d.Capabilities, core.StableRamp)
	}
	return d
}
