package conformance

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

const (
	// units is how many units the laws on weights ask about.
	units = 20_000

	// sigmas is how far a count may be from its mean, in standard deviations of
	// the binomial distribution. Chance alone exceeds four once in about 15,000
	// counts; see twice.
	sigmas = 4
)

// What the laws on weights say.
const (
	sentenceSplit       = "Weights hold: 20,000 units split as the flag says, 0 never matches and 100 always does."
	sentenceRamp        = "Growing all variants in proportion moves units out of control only."
	sentenceIndependent = "Two experiments split independently."
)

func splitLaws() []law[*rolloutSetup] {
	return []law[*rolloutSetup]{
		{"split", sentenceSplit, needs(core.ExactWeights), checkSplit},
		{"split-all-or-nothing", sentenceSplit, nil, checkAllOrNothing},
		{"split-zero", sentenceSplit, needs(core.NamesVariants, core.ExactWeights), checkZero},
		{"ramp", sentenceRamp, needs(core.ExactWeights, core.StableRamp, core.Deterministic), checkRamp},
		// A rollout that draws need not look at the unit at all.
		{"independent", sentenceIndependent, needs(core.ExactWeights, core.Deterministic), checkIndependent},
	}
}

// twice calls count for one series of units and, if that shows problems, for
// another one. Only what shows in both is wrong; so chance fails a rollout that
// draws at random once in millions of runs, and one with a bias never passes
// for long.
func (s *rolloutSetup) twice(count func(series string)) {
	count("unit")
	if s.take() != nil {
		count("second")
	}
}

// deviates returns by how much n of units is too far from the share, "" for
// not too far.
func deviates(n int, share float64) string {
	mean := share * units
	bound := sigmas * math.Sqrt(mean*(1-share))
	if math.Abs(float64(n)-mean) <= bound {
		return ""
	}
	return fmt.Sprintf("%d of %d, not %.0f ± %.0f", n, units, mean, bound)
}

func checkSplit(s *rolloutSetup) {
	r := s.rollout(Flag{State: core.Conditional, Weights: map[string]int{core.Control: 25, "red": 30, "blue": 45}})
	weights := r.flag.Weights
	s.twice(func(series string) {
		counts := map[string]int{}
		r.each(units, series, func(key string, a answer) {
			counts[a.variant]++
			if a.outside {
				s.addf("unit %s: answers %v", key[:8], a)
			}
		})
		for _, name := range slices.Sorted(maps.Keys(weights)) {
			if d := deviates(counts[name], float64(weights[name])/100); d != "" {
				s.addf("%s at %d %% got %s", name, weights[name], d)
			}
		}
	})
}

func checkAllOrNothing(s *rolloutSetup) {
	for i, r := range s.inTurn(fullyOn, Flag{State: core.Off, Weights: nobody}) {
		want := []string{core.Candidate, core.Control}[i]
		r.expect(units, want+", which has 100 %", func(a answer) bool { return a.variant == want })
	}
}

func checkZero(s *rolloutSetup) {
	for i, r := range s.inTurn(
		Flag{State: core.Conditional, Weights: map[string]int{core.Control: 50, "red": 50, "blue": 0}},
		Flag{State: core.Conditional, Weights: map[string]int{core.Control: 0, "red": 50, "blue": 50}},
	) {
		zero := []string{"blue", core.Control}[i]
		r.expect(units, "another than "+zero+", which has 0 %", func(a answer) bool { return a.variant != zero })
	}
}

func checkRamp(s *rolloutSetup) {
	had := map[string]string{}
	for i, r := range s.inTurn(
		Flag{State: core.Conditional, Weights: map[string]int{core.Control: 70, "red": 10, "blue": 20}},
		Flag{State: core.Conditional, Weights: map[string]int{core.Control: 40, "red": 20, "blue": 40}},
		Flag{State: core.Conditional, Weights: map[string]int{core.Control: 10, "red": 30, "blue": 60}},
	) {
		r.each(units, "unit", func(key string, a answer) {
			if was := had[key]; i > 0 && was != core.Control && was != a.variant {
				s.addf("unit %s: had %s, and %s after ramp %d", key[:8], was, a.variant, i)
			}
			had[key] = a.variant
		})
	}
}

// checkIndependent asks two experiments, split in half each, about the same
// units: each pair of answers is a quarter's.
func checkIndependent(s *rolloutSetup) {
	one := s.rollout(Flag{Experiment: "one", State: core.Conditional, Weights: half})
	other := s.rollout(Flag{Experiment: "other", State: core.Conditional, Weights: half})
	s.twice(func(series string) {
		first := map[string]string{}
		pairs := map[[2]string]int{}
		one.each(units, series, func(key string, a answer) { first[key] = a.variant })
		other.each(units, series, func(key string, a answer) { pairs[[2]string{first[key], a.variant}]++ })
		for _, a := range s.variants {
			for _, b := range s.variants {
				if d := deviates(pairs[[2]string{a, b}], 0.25); d != "" {
					s.addf("%s here and %s there got %s", a, b, d)
				}
			}
		}
	})
}
