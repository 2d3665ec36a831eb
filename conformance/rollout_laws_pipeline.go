package conformance

import (
	"context"
	"errors"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// few is how many units go through the pipeline. With half of them selected, the
// chance that none or all are is 2^-49.
const few = 50

// What a visitor of a pipeline can get.
var (
	isOff        = outcome{core.Control, core.SourceOff, false}
	isError      = outcome{core.Control, core.SourceError, false}
	isExcluded   = outcome{core.Control, core.SourceExcluded, false}
	newCandidate = outcome{core.Candidate, core.SourceResolved, true}
	oldCandidate = outcome{core.Candidate, core.SourceStored, true}
	oldControl   = outcome{core.Control, core.SourceStored, true}
)

// What the laws on rollouts under the real core say.
const (
	sentenceInactive   = "The experiment is inactive: everybody gets control and nothing is tracked or stored."
	sentenceTracked    = "A unit that a running flag did not select is a tracked control, and is stored like any other."
	sentenceOnVariant  = "On never yields control, whether the flag names the variant or the core spreads units over several."
	sentenceSurvives   = "A stored assignment survives a changed flag."
	sentenceHides      = "Off hides a stored assignment without deleting it."
	sentenceStays      = "A stored control stays tracked when its unit is excluded later."
	sentenceExcluded   = "An excluded unit is control and untracked even when the flag is on."
	sentenceForced     = "A forced assignment beats a stored one and an exclusion, and is kept."
	sentenceForcedOff  = "A forced assignment never beats off."
	sentenceForcedName = "A forced variant that the experiment does not have is ignored."
	sentenceMissing    = "An absent flag makes the core serve control, untracked and unstored."
	sentenceNotReady   = "A flag system that was never ready makes the core serve control, untracked and unstored."
	sentenceUnknown    = "A variant that the experiment does not have is refused when it is defined, or makes the core serve control, " +
		"untracked and unstored, with ErrUnknownVariant as the cause."
)

func pipelineLaws() []law[*rolloutSetup] {
	return []law[*rolloutSetup]{
		{"pipeline-off", sentenceInactive, nil, checkPipelineOff},
		{"pipeline-unselected", sentenceTracked, needs(core.ExactWeights), checkPipelineUnselected},
		{"pipeline-on", sentenceOnVariant, nil, checkPipelineOn},
		{"pipeline-stored-survives", sentenceSurvives, needs(core.ExactWeights), checkStoredSurvives},
		{"pipeline-off-hides", sentenceHides, nil, checkOffHides},
		{"pipeline-control-stays", sentenceStays, needs(core.ExactWeights), checkControlStays},
		{"pipeline-excluded", sentenceExcluded, nil, checkExcluded},
		{"pipeline-forced", sentenceForced, nil, checkForced},
		{"pipeline-forced-off", sentenceForcedOff, nil, checkForcedOff},
		{"pipeline-forced-unknown", sentenceForcedName, nil, checkForcedUnknown},
		{"pipeline-missing", sentenceMissing, needs(core.ReportsMissing), checkPipelineMissing},
		{"pipeline-not-ready", sentenceNotReady, needs(core.ReportsNotReady), checkPipelineNotReady},
		{"pipeline-unknown-variant", sentenceUnknown, needs(core.NamesVariants), checkUnknownVariant},
	}
}

func newStore() core.Store { return memstore.New(nil) }

// fewVisitors returns visitors whose units are in that series.
func fewVisitors(series string) []visitor {
	all := make([]visitor, few)
	for u := range all {
		all[u].key = unitKey(series, u)
	}
	return all
}

func checkPipelineOff(s *rolloutSetup) {
	p := s.rollout(disabled).app(newStore())
	for _, v := range fewVisitors("unit") {
		p.serves(context.Background(), v, isOff)
		p.stores(v.key, "")
	}
}

func checkPipelineUnselected(s *rolloutSetup) {
	p := s.rollout(splitting).app(newStore())
	counts := map[string]int{}
	for _, v := range fewVisitors("unit") {
		got, err := p.run(context.Background(), v)
		if got.source != core.SourceResolved || !got.tracked {
			s.addf("unit %s: gets %v (error %v); want it resolved and tracked", v.key[:8], got, err)
		}
		p.stores(v.key, got.variant)
		counts[got.variant]++
	}
	s.allServed(counts, few)
}

func checkPipelineOn(s *rolloutSetup) {
	s.variants = oneOf3
	p := s.rollout(Flag{State: core.On, Weights: red}).app(newStore())
	for _, v := range fewVisitors("unit") {
		got, err := p.run(context.Background(), v)
		if got.variant == core.Control || got.source != core.SourceResolved || !got.tracked {
			s.addf("unit %s: gets %v (error %v); want a variant, resolved and tracked", v.key[:8], got, err)
		}
	}
}

func checkStoredSurvives(s *rolloutSetup) {
	s.variants = oneOf3
	if s.lacks(core.NamesVariants) {
		s.variants = oneOfTwo
	}
	store, first := newStore(), s.variants[1]
	for i, r := range s.inTurn(
		Flag{State: core.On, Weights: red},
		Flag{State: core.Conditional, Weights: map[string]int{core.Control: 50, "blue": 50}},
	) {
		p, source := r.app(store), []core.Source{core.SourceResolved, core.SourceStored}[i]
		for _, v := range fewVisitors("unit") {
			p.serves(context.Background(), v, outcome{first, source, true})
		}
	}
}

func checkOffHides(s *rolloutSetup) {
	store := newStore()
	for i, r := range s.inTurn(fullyOn, disabled, fullyOn) {
		p, want := r.app(store), []outcome{newCandidate, isOff, oldCandidate}[i]
		for _, v := range fewVisitors("unit") {
			p.serves(context.Background(), v, want)
			p.stores(v.key, core.Candidate)
		}
	}
}

func checkControlStays(s *rolloutSetup) {
	p := s.rollout(splitting).app(newStore())
	counts := map[string]int{core.Candidate: 1} // only control has to be there
	for _, v := range fewVisitors("unit") {
		got, _ := p.run(context.Background(), v)
		counts[got.variant]++
		v.excluded = true
		p.serves(context.Background(), v, outcome{got.variant, core.SourceStored, true})
	}
	s.allServed(counts, few)
}

func checkExcluded(s *rolloutSetup) {
	p := s.rollout(fullyOn).app(newStore())
	for _, v := range fewVisitors("unit") {
		v.excluded = true
		p.serves(context.Background(), v, isExcluded)
		p.stores(v.key, "")
		v.excluded = false
		p.serves(context.Background(), v, newCandidate)
	}
}

func checkForced(s *rolloutSetup) {
	p := s.rollout(fullyOn).app(newStore())
	for _, v := range fewVisitors("unit") {
		p.serves(context.Background(), v, newCandidate)
		p.serves(p.forcing(core.Control), v, outcome{core.Control, core.SourceForced, true})
		p.serves(context.Background(), v, oldControl)
	}
	for _, v := range fewVisitors("excluded") {
		v.excluded = true
		p.serves(p.forcing(core.Candidate), v, outcome{core.Candidate, core.SourceForced, true})
		p.serves(context.Background(), v, oldCandidate)
	}
}

func checkForcedOff(s *rolloutSetup) {
	p := s.rollout(disabled).app(newStore())
	for _, v := range fewVisitors("unit") {
		p.serves(p.forcing(core.Candidate), v, isOff)
		p.stores(v.key, "")
	}
}

func checkForcedUnknown(s *rolloutSetup) {
	p := s.rollout(fullyOn).app(newStore())
	for _, v := range fewVisitors("unit") {
		p.serves(p.forcing("green"), v, newCandidate)
	}
}

func checkPipelineMissing(s *rolloutSetup) {
	s.variants = oneOfTwo
	s.rollout(absent).app(newStore()).servesControl(core.ErrFlagNotFound)
}

func checkPipelineNotReady(s *rolloutSetup) {
	s.variants = oneOfTwo
	s.notReady().app(newStore()).servesControl(core.ErrNotReady)
}

func checkUnknownVariant(s *rolloutSetup) {
	s.variants = oneOfTwo
	r := s.rollout(Flag{State: core.On, Weights: red})
	if p, err := r.define(newStore()); err == nil {
		p.servesControl(core.ErrUnknownVariant)
	}
}

// servesControl finds fault with anything but control for an error that wraps
// want.
func (p *pipeline) servesControl(want error) {
	for _, v := range fewVisitors("unit") {
		got, err := p.run(context.Background(), v)
		if got != isError || !errors.Is(err, want) {
			p.addf("unit %s: gets %v and the error %v; want %v and one that wraps %q", v.key[:8], got, err, isError, want)
		}
		p.stores(v.key, "")
	}
}
