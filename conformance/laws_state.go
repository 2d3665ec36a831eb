package conformance

import (
	"github.com/rolloutkit/rolloutkit/core"
)

// some is how many units a law asks about that needs no statistics. With half
// of them selected, the chance that none or all are is 2^-199.
const some = 200

// The flags that several laws use.
var (
	half     = map[string]int{core.Control: 50, core.Candidate: 50}
	all      = map[string]int{core.Candidate: 100}
	nobody   = map[string]int{core.Control: 100}
	oneOfTwo = []string{core.Control, core.Candidate}
)

func stateLaws() []Law {
	return []Law{
		{
			ID:       "description",
			Sentence: "The conformance suite holds Describe against the opt-outs of a harness.",
			Flags:    []Flag{{State: core.On, Weights: all}},
			check:    checkDescription,
		},
		{
			ID:       "off-disabled",
			Sentence: "Off is an untracked control: a disabled flag, or one that can select nobody, answers Off and a nil error.",
			Flags:    []Flag{{State: core.Off, Weights: half}},
			check:    checkOff,
		},
		{
			ID:       "off-selects-nobody",
			Sentence: "Off is an untracked control: a disabled flag, or one that can select nobody, answers Off and a nil error.",
			// A flag system that can't see that a flag is one and the same for
			// everybody can't see it of control either.
			Needs:    []core.Capability{core.ReportsOn},
			Flags:    []Flag{{State: core.Off, Weights: nobody}},
			Variants: oneOfTwo,
			check:    checkOff,
		},
		{
			ID:       "unselected-is-tracked",
			Sentence: "A unit that a running flag did not select is a tracked control: it answers Conditional with control, not Off.",
			Needs:    []core.Capability{core.ExactWeights},
			Flags:    []Flag{{State: core.Conditional, Weights: half}},
			check:    checkUnselected,
		},
		{
			ID:       "spread-is-conditional",
			Sentence: "The flag selects some units and not others, or selects all of them and spreads them over several variants.",
			Needs:    []core.Capability{core.NamesVariants, core.ExactWeights},
			Flags:    []Flag{{State: core.Conditional, Weights: map[string]int{"red": 50, "blue": 50}}},
			check:    checkSpread,
		},
		{
			ID:       "on-never-control",
			Sentence: "On never yields control: it names one variant other than control, or AnyVariant where the experiment has one variant.",
			Flags:    []Flag{{State: core.On, Weights: all}},
			check:    checkOn,
		},
		{
			ID:       "on-is-reported",
			Sentence: "On is told apart from Conditional.",
			Needs:    []core.Capability{core.ReportsOn},
			Flags:    []Flag{{State: core.On, Weights: all}},
			check:    checkReportsOn,
		},
		{
			ID:       "on-names-one",
			Sentence: "On never yields control: it names one variant other than control, or AnyVariant where the experiment has one variant.",
			Flags:    []Flag{{State: core.On, Weights: map[string]int{"red": 100}}},
			Variants: []string{core.Control, "red", "blue"},
			check:    checkNamesOne,
		},
		{
			ID:       "targets",
			Sentence: "A flag can give a single unit a variant by its key.",
			Needs:    []core.Capability{core.Targets},
			Flags: []Flag{{State: core.Conditional, Weights: nobody,
				Targets: map[string]string{unitKey("target", 0): "red", unitKey("target", 1): "blue"}}},
			check: checkTargets,
		},
		{
			ID:       "targets-control",
			Sentence: "On: one and the same variant other than control for everybody.",
			Needs:    []core.Capability{core.Targets},
			Flags: []Flag{{State: core.Conditional, Weights: all,
				Targets: map[string]string{unitKey("target", 0): core.Control}}},
			check: checkTargets,
		},
	}
}

func checkDescription(s *setup) []string {
	r := s.rollout(0)
	problems := s.harness.descriptionProblems(r)
	if s.set == nil && !s.harness.lacks(core.Reloads) {
		problems = append(problems, "Harness.New returned no func to change the flag, and Harness.Unsupported gives no reason for "+
			string(core.Reloads))
	}
	return problems
}

func checkOff(s *setup) []string {
	var f faults
	s.each(s.rollout(0), 0, some, &f, func(key string, a answer) {
		if a.state != core.Off {
			f.addf("unit %s: answers %v, not off", key[:8], a)
		}
	})
	return f.done()
}

func checkUnselected(s *setup) []string {
	var f faults
	counts := map[string]int{}
	s.each(s.rollout(0), 0, some, &f, func(key string, a answer) {
		counts[a.variant]++
		if a.state != core.Conditional || a.outside {
			f.addf("unit %s: answers %v, not conditional", key[:8], a)
		}
	})
	for _, name := range s.variants {
		if counts[name] == 0 {
			f.addf("%d units, and none got %s", some, name)
		}
	}
	return f.done()
}

func checkSpread(s *setup) []string {
	var f faults
	s.each(s.rollout(0), 0, some, &f, func(key string, a answer) {
		if a.state != core.Conditional || a.outside || a.variant == core.Control {
			f.addf("unit %s: answers %v, not conditional with a variant", key[:8], a)
		}
	})
	return f.done()
}

func checkOn(s *setup) []string {
	var f faults
	s.each(s.rollout(0), 0, some, &f, func(key string, a answer) {
		if !a.state.Enabled() || a.outside || a.variant != core.Candidate {
			f.addf("unit %s: answers %v, not on or conditional with %s", key[:8], a, core.Candidate)
		}
	})
	return f.done()
}

func checkReportsOn(s *setup) []string {
	var f faults
	s.each(s.rollout(0), 0, some, &f, func(key string, a answer) {
		if a.state != core.On {
			f.addf("unit %s: answers %v, not on", key[:8], a)
		}
	})
	return f.done()
}

// checkNamesOne asks for an experiment with two variants under a flag that
// knows one name or, boolean, none.
func checkNamesOne(s *setup) []string {
	want := "red"
	if s.harness.lacks(core.NamesVariants) {
		want = core.AnyVariant
	}
	var f faults
	s.each(s.rollout(0), 0, some, &f, func(key string, a answer) {
		switch {
		case a.variant == core.AnyVariant && a.state == core.On:
			f.addf("unit %s: answers on and names no variant, where the experiment has %d", key[:8], len(s.variants)-1)
		case a.variant != want || a.outside:
			f.addf("unit %s: answers %v, not %s", key[:8], a, want)
		}
	})
	return f.done()
}

func checkTargets(s *setup) []string {
	r, flag := s.rollout(0), s.flags[0]
	rest := core.Candidate
	if flag.Weights[core.Control] > 0 {
		rest = core.Control
	}
	var f faults
	want := func(key, variant string, a answer) {
		if a.state != core.Conditional || a.outside || a.variant != variant {
			f.addf("unit %s: answers %v, not conditional with %s", key[:8], a, variant)
		}
	}
	for key, variant := range flag.Targets {
		a, err := s.ask(r, s.request(0, key))
		if err != nil {
			f.addf("unit %s: %v", key[:8], err)
			continue
		}
		want(key, variant, a)
	}
	s.each(r, 0, some, &f, func(key string, a answer) { want(key, rest, a) })
	return f.done()
}
