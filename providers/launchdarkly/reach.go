package launchdarkly

import (
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"github.com/rolloutkit/rolloutkit/core"
)

// flags looks definitions up. Asked for one that is absent it returns nil.
type flags interface {
	flag(key string) *ldmodel.FeatureFlag
}

// none is no variation's index.
const none = -1

// maxPrerequisites bounds the chain of prerequisites that is followed, so that
// a circle ends. Whether the next in the chain holds then counts as unsure.
const maxPrerequisites = 20

// A reach says which variations a flag can serve to anybody, by its definition
// alone. Rules are taken to match somebody, since what they ask is not looked
// at.
type reach struct {
	first   int  // the index of one variation, none if nobody gets any
	several bool // there are others
	gated   bool // a prerequisite holds for some units only; the others get the off variation
}

// reachOf reads a flag's definition.
func reachOf(f *ldmodel.FeatureFlag, all flags) reach { return follow(f, all, 0) }

func follow(f *ldmodel.FeatureFlag, all flags, depth int) reach {
	r := reach{first: none}
	if !f.On {
		return r
	}
	for _, p := range f.Prerequisites {
		other := all.flag(p.Key)
		if other == nil {
			return r
		}
		if depth == maxPrerequisites {
			r.gated = true
			continue
		}
		switch before := follow(other, all, depth+1); {
		case !before.can(p.Variation, other):
			return reach{first: none}
		case before.several || before.gated:
			r.gated = true
		}
	}
	for _, targets := range [...][]ldmodel.Target{f.ContextTargets, f.Targets} {
		for i := range targets {
			if len(targets[i].Values) > 0 {
				r.add(targets[i].Variation)
			}
		}
	}
	for i := range f.Rules {
		if r.several {
			return r
		}
		r = r.with(&f.Rules[i].VariationOrRollout)
		if len(f.Rules[i].Clauses) == 0 {
			return r // nobody gets past it
		}
	}
	return r.with(&f.Fallthrough)
}

// can reports whether anybody gets the variation, from a flag with reach r.
func (r *reach) can(variation int, f *ldmodel.FeatureFlag) bool {
	if r.first == none || r.first == variation {
		return r.first == variation
	}
	return r.several && 0 <= variation && variation < len(f.Variations)
}

// gates reports whether the flag gives something other than control to somebody
// and its prerequisites keep that from others.
func (r reach) gates(q *question) bool {
	if !r.gated || r.several {
		return r.gated
	}
	if r.first < 0 || r.first >= len(q.seen.Variations) {
		return false
	}
	name, err := q.variant(&q.seen.Variations[r.first])
	return err == nil && name != "" && name != core.Control
}

func (r *reach) add(index int) {
	switch {
	case r.first == none:
		r.first = index
	case r.first != index:
		r.several = true
	}
}

// with returns r and what a rule or the fallthrough can give. A rollout whose
// weights leave a rest gives the rest to its last variation.
func (r reach) with(v *ldmodel.VariationOrRollout) reach {
	if v.Variation.IsDefined() {
		r.add(v.Variation.IntValue())
		return r
	}
	sum := 0
	for i := range v.Rollout.Variations {
		w := &v.Rollout.Variations[i]
		sum += w.Weight
		if w.Weight > 0 || i == len(v.Rollout.Variations)-1 && sum < allWeights {
			r.add(w.Variation)
		}
	}
	return r
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
