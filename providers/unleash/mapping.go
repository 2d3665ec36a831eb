package unleash

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/Unleash/unleash-client-go/v4/api"

	"github.com/rolloutkit/rolloutkit/core"
)

// What a toggle's definition means, read from unleash-client-go v4.5.0 and
// checked against unleash-server 8.2.0. The toggle is the first column; "for all"
// means every unit, since the key is always there to hash on.
//
//	disabled                                                        off
//	enabled, no strategies                                          for all
//	strategy default                                                for all
//	flexibleRollout or gradualRollout..., 100 %                     for all
//	flexibleRollout or gradualRollout..., 1 to 99 %                 for some
//	flexibleRollout or gradualRollout..., below 1 %                 for nobody
//	  100 % sticky on a field other than the key's                  for some: those who have it
//	userWithId, remoteAddress, applicationHostname                  for some; without their parameter for nobody
//	a strategy of Options.Strategies                                for some
//	a strategy that the client does not know                        for nobody
//	constraints or segments on any of them                          for some
//	a constraint with an operator that the client does not know     for nobody
//	several strategies                                              the first that matches; none after one for all
//	parent absent, or itself with parents                           off
//	parent off, on or selecting some, and wanted on, off or with    as it says: off, no change,
//	  one of some variants                                          for some
//
//	for nobody                                                      off
//	for all, no variants                                            on, AnyVariant
//	for all, one variant with a weight: another than control        on, that variant
//	for all or some, control the only variant with a weight         off
//	for all, several variants with a weight                         conditional
//	for some                                                        conditional
//
// A strategy's own variants go before the toggle's. Variants that weigh nothing
// in all, and one called "disabled", count as no variant. A strategy that has
// variants but no groupId selects nobody, and later ones are not asked.
//
// What the client answers for one unit:
//
//	DISABLED_VARIANT, or FeatureEnabled false      control, not selected
//	FeatureEnabled, and Enabled false or "disabled"  AnyVariant
//	FeatureEnabled and Enabled                     the variant of that name
//
// GetVariant answers the same for "disabled" and "no strategy matched", and so
// the state comes from the definition. An unknown toggle, for which it answers
// that too, is found out before.

// A reader reads definitions. It is constant for one rollout.
type reader struct {
	strategies []string // those that the client knows beside its own
	boolean    bool     // variants are not looked at
	foreign    bool     // the context is the app's, so userId and sessionId may lack
}

// A toggleSpec is what a toggle's definition says, whoever asks.
type toggleSpec struct {
	state    core.State
	can      outcomes
	segments bool // segments take part

	// seeds are the fields that the client hashes on, to select a unit and to
	// choose its variant, and without which it draws at random.
	selectSeeds, variantSeeds []string
}

// outcomes are the answers that a toggle can give.
type outcomes struct {
	none  bool     // not selected
	bare  bool     // selected, without a variant
	names []string // selected, with one of these variants
}

// Two seeds that are no field of a context.
const (
	seedDefault = "default" // userId, and sessionId without
	seedRandom  = "random"  // nothing: the client draws
)

// disabled is the name of the variant that is none.
const disabled = "disabled"

// read returns what f means. parent returns a toggle by its name, nil for none.
// It is a pure function of the definitions.
func (r reader) read(f *api.Feature, parent func(string) *api.Feature) toggleSpec {
	var spec toggleSpec
	spec.can = r.outcomes(f, f.Variants, &spec)
	if f.Dependencies != nil {
		for _, d := range *f.Dependencies {
			switch r.satisfies(d, parent(d.Feature), &spec) {
			case some:
				spec.can.none = true
			case nobody:
				spec.can = outcomes{none: true}
			}
		}
	}
	none := func(name string) bool { return r.boolean || name == disabled }
	if slices.ContainsFunc(spec.can.names, none) {
		spec.can.bare, spec.can.names = true, slices.DeleteFunc(spec.can.names, none)
	}
	spec.state = spec.can.state()
	return spec
}

// state returns the state of a toggle with these outcomes.
func (o outcomes) state() core.State {
	treated := len(o.names)
	if slices.Contains(o.names, core.Control) {
		treated--
	}
	if o.bare {
		treated++
	}
	switch {
	case treated == 0:
		return core.Off
	case treated == 1 && !o.none && !slices.Contains(o.names, core.Control):
		return core.On
	}
	return core.Conditional
}

// include reports whether a unit can be selected with that name, "" for none.
func (o outcomes) include(selected bool, name string) bool {
	switch {
	case !selected:
		return o.none
	case name == "":
		return o.bare
	}
	return slices.Contains(o.names, name)
}

// An audience is whom a strategy or a dependency lets through.
type audience uint8

const (
	nobody audience = iota
	some
	everybody
)

// outcomes returns what f can give, dependencies aside. variants are those of a
// strategy that has none of its own.
func (r reader) outcomes(f *api.Feature, variants []api.VariantInternal, spec *toggleSpec) outcomes {
	var o outcomes
	switch {
	case !f.Enabled:
		o.none = true
		return o
	case len(f.Strategies) == 0:
		o.add(variants, spec)
		return o
	}
	for i := range f.Strategies {
		s := &f.Strategies[i]
		who := r.audience(s, spec)
		if who == nobody {
			continue
		}
		_, grouped := s.Parameters["groupId"].(string)
		switch {
		case len(s.Variants) == 0:
			o.add(variants, spec)
		case grouped:
			o.add(s.Variants, spec)
		default:
			o.none = true
		}
		if who == everybody {
			return o
		}
	}
	o.none = true
	return o
}

// add adds what a list of variants can give.
func (o *outcomes) add(variants []api.VariantInternal, spec *toggleSpec) {
	if len(variants) == 0 {
		o.bare = true
		return
	}
	weighty := 0
	name := func(name string) {
		if !slices.Contains(o.names, name) {
			o.names = append(o.names, name)
		}
	}
	for i := range variants {
		v := &variants[i]
		if v.Weight > 0 {
			weighty++
		}
		if v.Weight > 0 || len(v.Overrides) > 0 {
			name(v.Name)
		}
	}
	switch {
	case weighty == 0:
		name(disabled)
	case weighty > 1:
		spec.variantSeeds = seed(spec.variantSeeds, variants[0].Stickiness) // the first one's goes for all
	}
}

// seed adds fields that the client hashes on.
func seed(seeds []string, fields ...string) []string {
	for _, field := range fields {
		if field = cmp.Or(field, seedDefault); !slices.Contains(seeds, field) {
			seeds = append(seeds, field)
		}
	}
	return seeds
}

// audience returns whom a strategy matches.
func (r reader) audience(s *api.Strategy, spec *toggleSpec) audience {
	for i := range s.Constraints {
		if !knows(s.Constraints[i].Operator) {
			return nobody
		}
	}
	who := r.matches(s, spec)
	if who == everybody && len(s.Constraints)+len(s.Segments) > 0 {
		who = some
	}
	if who != nobody && len(s.Segments) > 0 {
		spec.segments = true
	}
	return who
}

// matches returns whom a strategy matches, constraints and segments aside.
func (r reader) matches(s *api.Strategy, spec *toggleSpec) audience {
	switch p := s.Parameters; s.Name {
	case "default":
		return everybody
	case "flexibleRollout":
		who := share(p["rollout"])
		switch sticky, _ := p["stickiness"].(string); {
		case who == nobody:
		case sticky == "" || sticky == seedDefault || sticky == seedRandom:
			if who == some {
				spec.selectSeeds = seed(spec.selectSeeds, sticky)
			}
		default:
			return min(who, r.withField(sticky))
		}
		return who
	case "gradualRolloutUserId":
		return min(share(p["percentage"]), r.withField("userId"), given(p["groupId"]))
	case "gradualRolloutSessionId":
		return min(share(p["percentage"]), r.withField("sessionId"), given(p["groupId"]))
	case "gradualRolloutRandom":
		who := share(p["percentage"])
		if who == some {
			spec.selectSeeds = seed(spec.selectSeeds, seedRandom)
		}
		return who
	case "userWithId":
		return listed(p["userIds"])
	case "remoteAddress":
		return listed(p["IPs"])
	case "applicationHostname":
		return listed(p["hostNames"])
	}
	if slices.Contains(r.strategies, s.Name) {
		return some
	}
	return nobody
}

// withField returns the units whose context has the field.
func (r reader) withField(field string) audience {
	if (field == "userId" || field == "sessionId") && !r.foreign {
		return everybody
	}
	return some
}

// share returns the audience of a percentage. The client compares it with whole
// numbers from 1 to 100.
func share(parameter any) audience {
	var percent float64
	switch p := parameter.(type) {
	case float64:
		percent = p
	case int:
		percent = float64(p)
	case int64:
		percent = float64(p)
	case uint32:
		percent = float64(p)
	case string:
		percent, _ = strconv.ParseFloat(p, 64)
	}
	switch {
	case percent >= 100:
		return everybody
	case percent >= 1:
		return some
	}
	return nobody
}

// given returns nobody for a parameter that is no text.
func given(parameter any) audience {
	if _, ok := parameter.(string); ok {
		return everybody
	}
	return nobody
}

// listed returns some units for a list, and nobody for an empty one.
func listed(parameter any) audience {
	if list, _ := parameter.(string); list != "" {
		return some
	}
	return nobody
}

// knows reports whether the client knows the operator. A constraint with
// another one is never met, nor is its inversion.
func knows(op api.Operator) bool {
	switch op {
	case api.OperatorIn, api.OperatorNotIn,
		api.OperatorStrContains, api.OperatorStrStartsWith, api.OperatorStrEndsWith,
		api.OperatorNumEq, api.OperatorNumLt, api.OperatorNumLte, api.OperatorNumGt, api.OperatorNumGte,
		api.OperatorDateBefore, api.OperatorDateAfter,
		api.OperatorSemverEq, api.OperatorSemverLt, api.OperatorSemverGt:
		return true
	}
	return false
}

// satisfies returns for whom a dependency is met. The client looks at the
// variants of a parent's strategies only, and at no grandparents.
func (r reader) satisfies(d api.Dependency, parent *api.Feature, spec *toggleSpec) audience {
	if parent == nil || parent.Dependencies != nil && len(*parent.Dependencies) > 0 {
		return nobody
	}
	var theirs toggleSpec
	of := r.outcomes(parent, nil, &theirs)
	spec.segments = spec.segments || theirs.segments
	spec.selectSeeds = seed(spec.selectSeeds, theirs.selectSeeds...)
	choosy := d.Variants != nil && len(*d.Variants) > 0
	if choosy {
		spec.selectSeeds = seed(spec.selectSeeds, theirs.variantSeeds...)
	}
	wanted := func(selected bool, name string) bool {
		if d.Enabled != nil && !*d.Enabled {
			return !selected
		}
		return selected && (!choosy || name == "" || slices.Contains(*d.Variants, name))
	}
	met, unmet := false, false
	see := func(selected bool, name string) {
		if wanted(selected, name) {
			met = true
		} else {
			unmet = true
		}
	}
	if of.none {
		see(false, "")
	}
	if of.bare {
		see(true, "")
	}
	for _, name := range of.names {
		see(true, name)
	}
	switch {
	case !unmet:
		return everybody
	case !met:
		return nobody
	}
	return some
}

// outcome returns what the client answered: whether the unit is selected, and
// the name of its variant, "" for none.
//
// The first case compares pointers, since the client itself can write to the
// variable behind this one: see "Limits of the client".
func outcome(v *api.Variant) (selected bool, name string) {
	switch {
	case v == api.DISABLED_VARIANT || !v.FeatureEnabled:
		return false, ""
	case v.Name == disabled || !v.Enabled:
		return true, ""
	}
	return true, v.Name
}
