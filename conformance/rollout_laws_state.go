package conformance

import (
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

// some is how many units a law asks about that needs no statistics. With half
// of them selected, the chance that none or all are is 2^-199.
const some = 200

// What several laws use.
var (
	half     = map[string]int{core.Control: 50, core.Candidate: 50}
	all      = map[string]int{core.Candidate: 100}
	nobody   = map[string]int{core.Control: 100}
	red      = map[string]int{"red": 100}
	oneOfTwo = []string{core.Control, core.Candidate}
	oneOf3   = []string{core.Control, "red", "blue"}

	disabled  = Flag{State: core.Off, Weights: half}
	splitting = Flag{State: core.Conditional, Weights: half}
	fullyOn   = Flag{State: core.On, Weights: all}
	absent    = Flag{Missing: true}
)

// What the laws on states say.
const (
	sentenceDescribe   = "The conformance suite holds Describe against the opt-outs of a harness."
	sentenceOff        = "Off is an untracked control: a disabled flag, or one that can select nobody, answers Off and a nil error."
	sentenceUnselected = "A unit that a running flag did not select is a tracked control: it answers Conditional with control, not Off."
	sentenceSpread     = "The flag selects some units and not others, or selects all of them and spreads them over several variants."
	sentenceNever      = "On never yields control: it names one variant other than control, or AnyVariant where the experiment has one variant."
	sentenceOn         = "On is told apart from Conditional."
	sentenceTargets    = "A flag can give a single unit a variant by its key."
	sentenceEverybody  = "On: one and the same variant other than control for everybody."
)

func stateLaws() []law[*rolloutSetup] {
	return []law[*rolloutSetup]{
		{"description", sentenceDescribe, nil, checkDescription},
		{"off-disabled", sentenceOff, nil, checkOffDisabled},
		// A flag system that can't see that a flag is one and the same for
		// everybody can't see it of control either.
		{"off-selects-nobody", sentenceOff, needs(core.ReportsOn), checkOffSelectsNobody},
		{"unselected-is-tracked", sentenceUnselected, needs(core.ExactWeights), checkUnselected},
		{"spread-is-conditional", sentenceSpread, needs(core.NamesVariants, core.ExactWeights), checkSpread},
		{"on-never-control", sentenceNever, nil, checkOn},
		{"on-is-reported", sentenceOn, needs(core.ReportsOn), checkReportsOn},
		{"on-names-one", sentenceNever, nil, checkNamesOne},
		{"targets", sentenceTargets, needs(core.Targets), checkTargets},
		{"targets-control", sentenceEverybody, needs(core.Targets), checkTargetsControl},
	}
}

// checkDescription holds the opt-outs against what the rollout says of itself.
// One that says nothing contradicts nothing.
func checkDescription(s *rolloutSetup) {
	r := s.rollout(fullyOn)
	if r.set == nil && !s.lacks(core.Reloads) {
		s.addf("Harness.New returned no func to change the flag, and Harness.Unsupported gives no reason for %s", core.Reloads)
	}
	if d, ok := r.Rollout.(core.Describer); ok && d.Describe().Capabilities != nil {
		for _, c := range core.Capabilities() {
			s.described(c, slices.Contains(d.Describe().Capabilities, c), "the rollout's Describe")
		}
	}
}

func checkOffDisabled(s *rolloutSetup) { s.rollout(disabled).expectOff() }

func checkOffSelectsNobody(s *rolloutSetup) {
	s.variants = oneOfTwo
	s.rollout(Flag{State: core.Off, Weights: nobody}).expectOff()
}

func (r *subject) expectOff() {
	r.expect(some, "off", func(a answer) bool { return a.state == core.Off })
}

func checkUnselected(s *rolloutSetup) {
	counts := map[string]int{}
	s.rollout(splitting).expect(some, "conditional", func(a answer) bool {
		counts[a.variant]++
		return a.state == core.Conditional && !a.outside
	})
	s.allServed(counts, some)
}

// allServed finds fault if, of n units, none got one of the variants.
func (s *rolloutSetup) allServed(counts map[string]int, n int) {
	for _, name := range s.variants {
		if counts[name] == 0 {
			s.addf("%d units, and none got %s", n, name)
		}
	}
}

func checkSpread(s *rolloutSetup) {
	r := s.rollout(Flag{State: core.Conditional, Weights: map[string]int{"red": 50, "blue": 50}})
	r.expect(some, "conditional with a variant", func(a answer) bool {
		return a.state == core.Conditional && !a.outside && a.variant != core.Control
	})
}

func checkOn(s *rolloutSetup) {
	s.rollout(fullyOn).expect(some, "on or conditional with "+core.Candidate, func(a answer) bool { return a.names(core.Candidate) })
}

func checkReportsOn(s *rolloutSetup) {
	s.rollout(fullyOn).expect(some, "on", func(a answer) bool { return a.state == core.On })
}

// checkNamesOne asks for an experiment with two variants under a flag that
// knows one name or, boolean, none: then it can't be on.
func checkNamesOne(s *rolloutSetup) {
	want, ok := "on or conditional with red", func(a answer) bool { return a.names("red") }
	if s.lacks(core.NamesVariants) {
		want, ok = "conditional with "+core.AnyVariant, func(a answer) bool { return a.names(core.AnyVariant) && a.state != core.On }
	}
	s.variants = oneOf3
	s.rollout(Flag{State: core.On, Weights: red}).expect(some, want, ok)
}

func checkTargets(s *rolloutSetup) {
	s.targeted(core.Control, map[string]string{unitKey("target", 0): "red", unitKey("target", 1): "blue"})
}

func checkTargetsControl(s *rolloutSetup) {
	s.targeted(core.Candidate, map[string]string{unitKey("target", 0): core.Control})
}

// targeted asks about the targets of a flag that gives all others rest.
func (s *rolloutSetup) targeted(rest string, targets map[string]string) {
	r := s.rollout(Flag{State: core.Conditional, Weights: map[string]int{rest: 100}, Targets: targets})
	check := func(key string, a answer) {
		want := rest
		if variant, ok := r.flag.Targets[key]; ok {
			want = variant
		}
		if a.state != core.Conditional || !a.names(want) {
			r.addf("unit %s: answers %v, not conditional with %s", key[:8], a, want)
		}
	}
	r.each(len(targets), "target", check)
	r.each(some, "unit", check)
}
