package core

import (
	"context"
	"slices"

	"github.com/rolloutkit/rolloutkit/internal/split"
)

// A Point is a place on the line from 0 to 1, in units of 2^-64. Points made by
// [Points] are spread uniformly. Point.Scale(n) is its place on a line of length
// n: of n equal parts the one that it falls into. A share of c out of n holds p
// if p.Scale(n) < c.
type Point = split.Point

// Points returns four independent points for one unit in one experiment. Other
// salts, experiments or keys give independent points too. Rollouts that split
// units by themselves should use it with a salt of their own; the empty salt is
// fine. Many goroutines may call it. It is the first four outputs of SplitMix64,
// seeded with XXH64 over the three texts, each seeded with the hash before it.
func Points(salt, experiment, key string) [4]Point { return split.Points(salt, experiment, key) }

// The salts of this package. Changing one gives every unit that no store keeps
// another variant.
const (
	saltWeights = split.Weights // shared with providers/percent
	saltAny     = "any"
)

// Even is the default rollout: it splits units equally over all behaviours,
// control included. It orders variants by name, so that reordering a definition
// moves nobody. An experiment with control alone is Off.
//
// Even cuts the line where providers/percent cuts it for equal weights, so that
// writing the default out as weights, in order to change them later, moves
// nobody either, except by the rounding of weights such as 33.33.
var Even Rollout = even{}

type even struct{}

// Resolve splits by r.Key. It returns no error.
func (even) Resolve(_ context.Context, r Request) (Decision, error) {
	var few [8]string
	others := otherVariants(few[:0], r.Variants)
	if len(others) == 0 {
		return Decision{State: Off}, nil
	}
	d := Decision{State: Conditional, Variant: Control}
	n := uint64(len(others))
	p := Points(saltWeights, r.Experiment, r.Key)
	part := p[0].Scale(n + 1)
	switch {
	case n == 2 && part == 0: // from the two ends, control in the middle
		d.Variant = others[0]
	case n == 2 && part == 2:
		d.Variant = others[1]
	case n != 2 && part < n:
		d.Variant = others[p[1].Scale(n)]
	}
	return d, nil
}

// Describe says that weights are fixed.
func (even) Describe() Description {
	return Description{
		Name:         "even",
		Detail:       "equal shares, control included",
		Capabilities: []Capability{NamesVariants, Deterministic},
	}
}

// spread returns the variant of a unit that is selected by a flag that names
// none: one of r.Variants other than control, evenly by key and ordered by
// name. "" if there is none.
func spread(r Request) string {
	var few [8]string
	others := otherVariants(few[:0], r.Variants)
	if len(others) == 0 {
		return ""
	}
	p := Points(saltAny, r.Experiment, r.Key)
	return others[p[0].Scale(uint64(len(others)))]
}

// otherVariants appends the names other than control to buf, sorted.
func otherVariants(buf, variants []string) []string {
	for _, v := range variants {
		if v != Control {
			buf = append(buf, v)
		}
	}
	slices.Sort(buf)
	return buf
}
