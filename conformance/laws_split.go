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

func splitLaws() []Law {
	return []Law{
		{
			ID:       "split",
			Sentence: "Weights hold: 20,000 units split as the flag says, 0 never matches and 100 always does.",
			Needs:    []core.Capability{core.ExactWeights},
			Flags:    []Flag{{State: core.Conditional, Weights: map[string]int{core.Control: 25, "red": 30, "blue": 45}}},
			check:    checkSplit,
		},
		{
			ID:       "split-all-or-nothing",
			Sentence: "Weights hold: 20,000 units split as the flag says, 0 never matches and 100 always does.",
			Flags:    []Flag{{State: core.On, Weights: all}, {State: core.Off, Weights: nobody}},
			check:    checkAllOrNothing,
		},
		{
			ID:       "split-zero",
			Sentence: "Weights hold: 20,000 units split as the flag says, 0 never matches and 100 always does.",
			Needs:    []core.Capability{core.NamesVariants, core.ExactWeights},
			Flags: []Flag{
				{State: core.Conditional, Weights: map[string]int{core.Control: 50, "red": 50, "blue": 0}},
				{State: core.Conditional, Weights: map[string]int{core.Control: 0, "red": 50, "blue": 50}},
			},
			check: checkZero,
		},
		{
			ID:       "ramp",
			Sentence: "Growing all variants in proportion moves units out of control only.",
			Needs:    []core.Capability{core.ExactWeights, core.StableRamp, core.Deterministic},
			Flags: []Flag{
				{State: core.Conditional, Weights: map[string]int{core.Control: 70, "red": 10, "blue": 20}},
				{State: core.Conditional, Weights: map[string]int{core.Control: 40, "red": 20, "blue": 40}},
				{State: core.Conditional, Weights: map[string]int{core.Control: 10, "red": 30, "blue": 60}},
			},
			check: checkRamp,
		},
		{
			ID:       "independent",
			Sentence: "Two experiments split independently.",
			// A rollout that draws need not look at the unit at all.
			Needs: []core.Capability{core.ExactWeights, core.Deterministic},
			Flags: []Flag{
				{Experiment: "one", State: core.Conditional, Weights: half},
				{Experiment: "other", State: core.Conditional, Weights: half},
			},
			check: checkIndependent,
		},
	}
}

// twice calls count for one series of units and, if that shows problems, for
// another one. Only what shows in both is wrong; so chance fails a rollout that
// draws at random once in millions of runs, and one with a bias never passes
// for long.
func twice(count func(series string) []string) []string {
	if count("unit") == nil {
		return nil
	}
	return count("second")
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

func checkSplit(s *setup) []string {
	r := s.rollout(0)
	weights := s.flags[0].Weights
	return twice(func(series string) []string {
		var f faults
		counts := map[string]int{}
		s.eachOf(r, 0, units, series, &f, func(key string, a answer) {
			counts[a.variant]++
			if a.outside {
				f.addf("unit %s: answers %v", key[:8], a)
			}
		})
		for _, name := range slices.Sorted(maps.Keys(weights)) {
			if d := deviates(counts[name], float64(weights[name])/100); d != "" {
				f.addf("%s at %d %% got %s", name, weights[name], d)
			}
		}
		return f.done()
	})
}

func checkAllOrNothing(s *setup) []string {
	var f faults
	for i, want := range []string{core.Candidate, core.Control} {
		s.each(s.turn(i), i, units, &f, func(key string, a answer) {
			if a.variant != want {
				f.addf("unit %s: answers %v, with %s at 100 %%", key[:8], a, want)
			}
		})
	}
	return f.done()
}

func checkZero(s *setup) []string {
	var f faults
	for i, never := range []string{"blue", core.Control} {
		s.each(s.turn(i), i, units, &f, func(key string, a answer) {
			if a.variant == never {
				f.addf("unit %s: answers %v, with %s at 0 %%", key[:8], a, never)
			}
		})
	}
	return f.done()
}

func checkRamp(s *setup) []string {
	var f faults
	had := map[string]string{}
	for i := range s.flags {
		s.each(s.turn(i), i, units, &f, func(key string, a answer) {
			if was := had[key]; i > 0 && was != core.Control && was != a.variant {
				f.addf("unit %s: had %s, and %s after ramp %d", key[:8], was, a.variant, i)
			}
			had[key] = a.variant
		})
	}
	return f.done()
}

// checkIndependent asks two experiments, split in half each, about the same
// units: each pair of answers is a quarter's.
func checkIndependent(s *setup) []string {
	one, other := s.rollout(0), s.rollout(1)
	return twice(func(series string) []string {
		var f faults
		first := map[string]string{}
		pairs := map[[2]string]int{}
		s.eachOf(one, 0, units, series, &f, func(key string, a answer) { first[key] = a.variant })
		s.eachOf(other, 1, units, series, &f, func(key string, a answer) { pairs[[2]string{first[key], a.variant}]++ })
		for _, a := range s.variants {
			for _, b := range s.variants {
				if d := deviates(pairs[[2]string{a, b}], 0.25); d != "" {
					f.addf("%s here and %s there got %s", a, b, d)
				}
			}
		}
		return f.done()
	})
}
