package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

func errorLaws() []law[*rolloutSetup] {
	return []law[*rolloutSetup]{
		{"known-variants", "Only variants that the experiment has are named.", needs(core.ExactWeights), checkKnown},
		{"missing-flag", "A flag that is absent is an error that wraps ErrFlagNotFound.", needs(core.ReportsMissing), checkMissing},
		{"not-ready", "A flag system that was never ready is one that wraps ErrNotReady.", needs(core.ReportsNotReady), checkNotReady},
	}
}

func checkKnown(s *rolloutSetup) {
	r := s.rollout(Flag{State: core.Conditional, Weights: map[string]int{core.Control: 20, "red": 40, "blue": 40}})
	r.expect(10*some, fmt.Sprintf("one of %q", s.variants), func(a answer) bool { return slices.Contains(s.variants, a.variant) })
}

func checkMissing(s *rolloutSetup) {
	s.variants = oneOfTwo
	s.rollout(absent).fails(core.ErrFlagNotFound)
}

func checkNotReady(s *rolloutSetup) {
	s.variants = oneOfTwo
	s.notReady().fails(core.ErrNotReady)
}

// fails finds fault with every answer but an error that wraps want.
func (r *subject) fails(want error) {
	for u := range some {
		req := r.request(unitKey("unit", u))
		switch d, err := r.resolve(context.Background(), req); {
		case err == nil:
			r.addf("unit %s: answers %v and no error", req.Key[:8], r.read(d))
		case !errors.Is(err, want):
			r.addf("unit %s: the error %q does not wrap %q", req.Key[:8], err, want)
		}
	}
}
