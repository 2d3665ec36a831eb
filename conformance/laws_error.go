package conformance

import (
	"context"
	"errors"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

func errorLaws() []Law {
	return []Law{
		{
			ID:       "known-variants",
			Sentence: "Only variants that the experiment has are named.",
			Needs:    []core.Capability{core.ExactWeights},
			Flags:    []Flag{{State: core.Conditional, Weights: map[string]int{core.Control: 20, "red": 40, "blue": 40}}},
			check:    checkKnown,
		},
		{
			ID:       "missing-flag",
			Sentence: "A flag that is absent is an error that wraps ErrFlagNotFound.",
			Needs:    []core.Capability{core.ReportsMissing},
			Flags:    []Flag{{Missing: true}},
			Variants: oneOfTwo,
			check:    func(s *setup) []string { return wantError(s, s.rollout(0), core.ErrFlagNotFound) },
		},
		{
			ID:       "not-ready",
			Sentence: "A flag system that was never ready is one that wraps ErrNotReady.",
			Needs:    []core.Capability{core.ReportsNotReady},
			Flags:    []Flag{{Missing: true}}, // for its name
			Variants: oneOfTwo,
			check:    func(s *setup) []string { return wantError(s, s.never(), core.ErrNotReady) },
		},
	}
}

func checkKnown(s *setup) []string {
	var f faults
	s.each(s.rollout(0), 0, 10*some, &f, func(key string, a answer) {
		if !slices.Contains(s.variants, a.variant) {
			f.addf("unit %s: answers %v; the variants are %q", key[:8], a, s.variants)
		}
	})
	return f.done()
}

func wantError(s *setup, r core.Rollout, want error) []string {
	var f faults
	for u := range some {
		req := s.request(0, unitKey("unit", u))
		switch d, err := s.resolve(context.Background(), r, req); {
		case err == nil:
			f.addf("unit %s: answers %v and no error", req.Key[:8], s.read(d))
		case !errors.Is(err, want):
			f.addf("unit %s: the error %q does not wrap %q", req.Key[:8], err, want)
		}
	}
	return f.done()
}
