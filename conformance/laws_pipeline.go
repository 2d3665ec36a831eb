package conformance

import (
	"context"
	"errors"

	"github.com/rolloutkit/rolloutkit/core"
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

// pipelineLaws run the rollout under the real core.
func pipelineLaws() []Law {
	return []Law{
		{
			ID:       "pipeline-off",
			Sentence: "The experiment is inactive: everybody gets control and nothing is tracked or stored.",
			Flags:    []Flag{{State: core.Off, Weights: half}},
			check:    checkPipelineOff,
		},
		{
			ID:       "pipeline-unselected",
			Sentence: "A unit that a running flag did not select is a tracked control, and is stored like any other.",
			Needs:    []core.Capability{core.ExactWeights},
			Flags:    []Flag{{State: core.Conditional, Weights: half}},
			check:    checkPipelineUnselected,
		},
		{
			ID:       "pipeline-on",
			Sentence: "On never yields control, whether the flag names the variant or the core spreads units over several.",
			Flags:    []Flag{{State: core.On, Weights: map[string]int{"red": 100}}},
			Variants: []string{core.Control, "red", "blue"},
			check:    checkPipelineOn,
		},
		{
			ID:       "pipeline-stored-survives",
			Sentence: "A stored assignment survives a changed flag.",
			Needs:    []core.Capability{core.ExactWeights},
			Flags: []Flag{
				{State: core.On, Weights: map[string]int{"red": 100}},
				{State: core.Conditional, Weights: map[string]int{core.Control: 50, "blue": 50}},
			},
			check: checkStoredSurvives,
		},
		{
			ID:       "pipeline-off-hides",
			Sentence: "Off hides a stored assignment without deleting it.",
			Flags: []Flag{
				{State: core.On, Weights: all},
				{State: core.Off, Weights: half},
				{State: core.On, Weights: all},
			},
			check: checkOffHides,
		},
		{
			ID:       "pipeline-control-stays",
			Sentence: "A stored control stays tracked when its unit is excluded later.",
			Needs:    []core.Capability{core.ExactWeights},
			Flags:    []Flag{{State: core.Conditional, Weights: half}},
			check:    checkControlStays,
		},
		{
			ID:       "pipeline-excluded",
			Sentence: "An excluded unit is control and untracked even when the flag is on.",
			Flags:    []Flag{{State: core.On, Weights: all}},
			check:    checkExcluded,
		},
		{
			ID:       "pipeline-forced",
			Sentence: "A forced assignment beats a stored one and an exclusion, and is kept.",
			Flags:    []Flag{{State: core.On, Weights: all}},
			check:    checkForced,
		},
		{
			ID:       "pipeline-forced-off",
			Sentence: "A forced assignment never beats off.",
			Flags:    []Flag{{State: core.Off, Weights: half}},
			check:    checkForcedOff,
		},
		{
			ID:       "pipeline-forced-unknown",
			Sentence: "A forced variant that the experiment does not have is ignored.",
			Flags:    []Flag{{State: core.On, Weights: all}},
			check:    checkForcedUnknown,
		},
		{
			ID:       "pipeline-missing",
			Sentence: "An absent flag makes the core serve control, untracked and unstored.",
			Needs:    []core.Capability{core.ReportsMissing},
			Flags:    []Flag{{Missing: true}},
			Variants: oneOfTwo,
			check:    func(s *setup) []string { return wantControl(s, s.rollout(0), core.ErrFlagNotFound) },
		},
		{
			ID:       "pipeline-not-ready",
			Sentence: "A flag system that was never ready makes the core serve control, untracked and unstored.",
			Needs:    []core.Capability{core.ReportsNotReady},
			Flags:    []Flag{{Missing: true}}, // for its name
			Variants: oneOfTwo,
			check:    func(s *setup) []string { return wantControl(s, s.never(), core.ErrNotReady) },
		},
		{
			ID:       "pipeline-unknown-variant",
			Sentence: "A variant that the experiment does not have is refused when it is defined, or makes the core serve control, untracked and unstored, with ErrUnknownVariant as the cause.",
			Needs:    []core.Capability{core.NamesVariants},
			Flags:    []Flag{{State: core.On, Weights: map[string]int{"red": 100}}},
			Variants: oneOfTwo,
			check:    checkUnknownVariant,
		},
	}
}

func newStore() core.Store { return core.NewMemoryStore(nil) }

func checkPipelineOff(s *setup) []string {
	var f faults
	p := s.app(s.rollout(0), 0, newStore())
	for u := range few {
		v := visitor{key: unitKey("unit", u)}
		p.expect(context.Background(), v, isOff, &f)
		p.keeps(v.key, "", &f)
	}
	return f.done()
}

func checkPipelineUnselected(s *setup) []string {
	var f faults
	p := s.app(s.rollout(0), 0, newStore())
	counts := map[string]int{}
	for u := range few {
		v := visitor{key: unitKey("unit", u)}
		got, err := p.run(context.Background(), v, &f)
		if got.source != core.SourceResolved || !got.tracked {
			f.addf("unit %s: gets %v (error %v); want it resolved and tracked", v.key[:8], got, err)
		}
		p.keeps(v.key, got.variant, &f)
		counts[got.variant]++
	}
	for _, name := range s.variants {
		if counts[name] == 0 {
			f.addf("%d units, and none got %s", few, name)
		}
	}
	return f.done()
}

func checkPipelineOn(s *setup) []string {
	var f faults
	p := s.app(s.rollout(0), 0, newStore())
	for u := range few {
		v := visitor{key: unitKey("unit", u)}
		got, err := p.run(context.Background(), v, &f)
		if got.variant == core.Control || got.source != core.SourceResolved || !got.tracked {
			f.addf("unit %s: gets %v (error %v); want a variant, resolved and tracked", v.key[:8], got, err)
		}
	}
	return f.done()
}

func checkStoredSurvives(s *setup) []string {
	var f faults
	store := newStore()
	first := s.variants[1] // red, or candidate where flags name none
	for i, source := range []core.Source{core.SourceResolved, core.SourceStored} {
		p := s.app(s.turn(i), i, store)
		for u := range few {
			p.expect(context.Background(), visitor{key: unitKey("unit", u)}, outcome{first, source, true}, &f)
		}
	}
	return f.done()
}

func checkOffHides(s *setup) []string {
	var f faults
	store := newStore()
	for i, want := range []outcome{newCandidate, isOff, oldCandidate} {
		p := s.app(s.turn(i), i, store)
		for u := range few {
			v := visitor{key: unitKey("unit", u)}
			p.expect(context.Background(), v, want, &f)
			p.keeps(v.key, core.Candidate, &f)
		}
	}
	return f.done()
}

func checkControlStays(s *setup) []string {
	var f faults
	p := s.app(s.rollout(0), 0, newStore())
	controls := 0
	for u := range few {
		v := visitor{key: unitKey("unit", u)}
		got, _ := p.run(context.Background(), v, &f)
		if got.variant == core.Control {
			controls++
		}
		v.excluded = true
		p.expect(context.Background(), v, outcome{got.variant, core.SourceStored, true}, &f)
	}
	if controls == 0 {
		f.addf("%d units, and none got %s", few, core.Control)
	}
	return f.done()
}

func checkExcluded(s *setup) []string {
	var f faults
	p := s.app(s.rollout(0), 0, newStore())
	for u := range few {
		v := visitor{key: unitKey("unit", u), excluded: true}
		p.expect(context.Background(), v, isExcluded, &f)
		p.keeps(v.key, "", &f)
		v.excluded = false
		p.expect(context.Background(), v, newCandidate, &f)
	}
	return f.done()
}

func checkForced(s *setup) []string {
	var f faults
	p := s.app(s.rollout(0), 0, newStore())
	force := func(variant string) context.Context {
		return core.WithForced(context.Background(), p.exp.Name(), variant)
	}
	for u := range few {
		v := visitor{key: unitKey("unit", u)}
		p.expect(context.Background(), v, newCandidate, &f)
		p.expect(force(core.Control), v, outcome{core.Control, core.SourceForced, true}, &f)
		p.expect(context.Background(), v, oldControl, &f)

		v = visitor{key: unitKey("excluded", u), excluded: true}
		p.expect(force(core.Candidate), v, outcome{core.Candidate, core.SourceForced, true}, &f)
		p.expect(context.Background(), v, oldCandidate, &f)
	}
	return f.done()
}

func checkForcedOff(s *setup) []string {
	var f faults
	p := s.app(s.rollout(0), 0, newStore())
	ctx := core.WithForced(context.Background(), p.exp.Name(), core.Candidate)
	for u := range few {
		v := visitor{key: unitKey("unit", u)}
		p.expect(ctx, v, isOff, &f)
		p.keeps(v.key, "", &f)
	}
	return f.done()
}

func checkForcedUnknown(s *setup) []string {
	var f faults
	p := s.app(s.rollout(0), 0, newStore())
	ctx := core.WithForced(context.Background(), p.exp.Name(), "green")
	for u := range few {
		p.expect(ctx, visitor{key: unitKey("unit", u)}, newCandidate, &f)
	}
	return f.done()
}

func checkUnknownVariant(s *setup) []string {
	r := s.rollout(0)
	if _, err := s.pipeline(r, 0, newStore()); err != nil {
		return nil
	}
	return wantControl(s, r, core.ErrUnknownVariant)
}

func wantControl(s *setup, r core.Rollout, want error) []string {
	var f faults
	p := s.app(r, 0, newStore())
	for u := range few {
		v := visitor{key: unitKey("unit", u)}
		got, err := p.run(context.Background(), v, &f)
		if got != isError || !errors.Is(err, want) {
			f.addf("unit %s: gets %v and the error %v; want %v and one that wraps %q", v.key[:8], got, err, isError, want)
		}
		p.keeps(v.key, "", &f)
	}
	return f.done()
}
