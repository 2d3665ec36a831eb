package launchdarkly

import (
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"github.com/rolloutkit/rolloutkit/core"
)

// none is no variation's index.
const none = -1

// maxPrerequisites bounds the chain of prerequisites that is followed, so that
// a circle ends. The next in the chain is treated as partly met.
const maxPrerequisites = 20

// outcomes say which variations a flag can serve to anybody, by its definition
// alone. Rules are taken to match somebody, since what they ask is not looked
// at.
type outcomes struct {
	first   int  // the index of one variation, none if nobody gets any
	several bool // there are others
	gated   bool // a prerequisite holds for some units only; the others get the off variation
}

// outcomesOf reads a flag's definition. depth is that in a chain of
// prerequisites.
func outcomesOf(f *ldmodel.FeatureFlag, all *Definitions, depth int) outcomes {
	o := outcomes{first: none}
	if !f.On {
		return o
	}
	for _, p := range f.Prerequisites {
		other := all.flag(p.Key)
		if other == nil {
			return o
		}
		if depth == maxPrerequisites {
			o.gated = true
			continue
		}
		switch before := outcomesOf(other, all, depth+1); {
		case !before.can(p.Variation, other):
			return outcomes{first: none}
		case before.several || before.gated:
			o.gated = true
		}
	}
	for _, targets := range [...][]ldmodel.Target{f.ContextTargets, f.Targets} {
		for i := range targets {
			if len(targets[i].Values) > 0 {
				o.add(targets[i].Variation)
			}
		}
	}
	for i := range f.Rules {
		if o.several {
			return o
		}
		o = o.with(&f.Rules[i].VariationOrRollout)
		if len(f.Rules[i].Clauses) == 0 {
			return o // nobody gets past it
		}
	}
	return o.with(&f.Fallthrough)
}

// can reports whether anybody gets the variation, from a flag with these outcomes.
func (o *outcomes) can(variation int, f *ldmodel.FeatureFlag) bool {
	if o.first == none || o.first == variation {
		return o.first == variation
	}
	return o.several && 0 <= variation && variation < len(f.Variations)
}

// gates reports whether the flag gives something other than control to somebody
// and its prerequisites keep that from others.
func (o outcomes) gates(q *question) bool {
	if !o.gated || o.several {
		return o.gated
	}
	if o.first < 0 || o.first >= len(q.seen.Variations) {
		return false
	}
	name, err := q.variant(&q.seen.Variations[o.first])
	return err == nil && name != "" && name != core.Control
}

func (o *outcomes) add(index int) {
	switch {
	case o.first == none:
		o.first = index
	case o.first != index:
		o.several = true
	}
}

// with returns o and what a rule or the fallthrough can give. A rollout whose
// weights leave a rest gives the rest to its last variation.
func (o outcomes) with(v *ldmodel.VariationOrRollout) outcomes {
	if v.Variation.IsDefined() {
		o.add(v.Variation.IntValue())
		return o
	}
	sum := 0
	for i := range v.Rollout.Variations {
		w := &v.Rollout.Variations[i]
		sum += w.Weight
		if w.Weight > 0 || i == len(v.Rollout.Variations)-1 && sum < allWeights {
			o.add(w.Variation)
		}
	}
	return o
}

// experiment reports whether r is an experiment of LaunchDarkly's.
func experiment(r *ldmodel.Rollout) bool { return r.Kind == ldmodel.RolloutKindExperiment }

// experiments reports whether the flag has one anywhere.
func experiments(f *ldmodel.FeatureFlag) bool {
	for i := range f.Rules {
		if experiment(&f.Rules[i].Rollout) {
			return true
		}
	}
	return experiment(&f.Fallthrough.Rollout)
}

// allWeights is what the weights of a rollout add up to: thousandths of a
// percent.
const allWeights = 100_000
