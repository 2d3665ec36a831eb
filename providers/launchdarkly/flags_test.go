package launchdarkly_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldattr"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldhooks"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

// Flags of every shape go through the real evaluator, 500 units each, once with
// their definitions in sight and once without. What units get is written as the
// states and the variants that occur, "outside" and "error" among them.
func TestFlagsOfEveryShape(t *testing.T) {
	const kind = launchdarkly.DefaultKind
	boolean := func(f *ldbuilders.FlagBuilder) *ldbuilders.FlagBuilder {
		return f.Variations(ldvalue.Bool(false), ldvalue.Bool(true))
	}
	gold := func() *ldbuilders.RuleBuilder {
		return ldbuilders.NewRuleBuilder().ID("gold").Clauses(ldbuilders.ClauseWithKind(kind, "plan", ldmodel.OperatorIn, ldvalue.String("gold")))
	}
	everybody := func() *ldbuilders.RuleBuilder { return ldbuilders.NewRuleBuilder().ID("everybody") }
	bucketed := func(attr string) ldmodel.VariationOrRollout {
		v := share(50, 50)
		v.Rollout.BucketBy = ldattr.NewLiteralRef(attr)
		return v
	}
	toRed := trial(40, 30, 0, 30)
	toRed.Rollout.Variations[3].Variation = 1
	red := func() *ldbuilders.FlagBuilder { return flag("f").FallthroughVariation(1) }
	for _, c := range []struct {
		name    string
		flag    *ldbuilders.FlagBuilder
		seen    string
		unaided string // "" for the same
	}{
		{"off", flag("f").On(false), "off: control", ""},
		{"off, to another variation", flag("f").On(false).OffVariation(1), "off: control", ""},
		{"off, to no variation", ldbuilders.NewFlagBuilder("f").Variations(colours...), "off: control", ""},
		{"one variation", red(), "on: red", "conditional: red"},
		{"control", flag("f"), "off: control", "conditional: control"},
		{"true", boolean(red()), "conditional: *", ""},
		{"false", boolean(flag("f")), "off: control", "conditional: control"},
		{"split", flag("f").Fallthrough(share(50, 50)), "conditional: control red", ""},
		{"100 to 0", flag("f").Fallthrough(share(0, 100, 0)), "on: red", "conditional: red"},
		{"weights that leave a rest", flag("f").Fallthrough(share(0, 50, 0)), "conditional: blue red", ""},

		{"experiment", flag("f").Fallthrough(trial(40, 20, 20, 20)), "conditional: blue control outside red", "conditional: blue control red"},
		{"experiment, rest not control", flag("f").Fallthrough(toRed), "conditional: blue control outside", "conditional: blue control red"},
		{"experiment on a rule", flag("f").AddRule(gold().VariationOrRollout(trial(40, 30, 30))), "conditional: control outside red", "conditional: control red"},
		{"experiment for some", flag("f").Fallthrough(trial(0, 50, 50)).AddPrerequisite("half", 1), "conditional: control outside red", "conditional off: control red"},
		{"experiment beside a rule", flag("f").AddRule(gold().Variation(0)).Fallthrough(trial(0, 0, 50, 50)), "conditional: blue outside red", "conditional: blue control red"},
		{"experiment beside a target", flag("f").AddContextTarget(kind, 2, "gold-1").Fallthrough(trial(0, 50, 50)), "conditional: blue control red", ""},

		{"target", flag("f").AddContextTarget(kind, 1, "gold-1", "plain-2"), "conditional: control red", ""},
		{"target of nobody", flag("f").AddContextTarget(kind, 1).FallthroughVariation(2), "on: blue", "conditional: blue"},
		{"target, same outcome", red().AddContextTarget(kind, 1, "gold-1"), "on: red", "conditional: red"},
		{"rule", flag("f").AddRule(gold().Variation(1)), "conditional: control red", ""},
		{"rule, same outcome", red().AddRule(gold().Variation(1)), "on: red", "conditional: red"},
		{"rule for everybody", flag("f").AddRule(everybody().Variation(1)), "on: red", "conditional: red"},
		{"two rules", flag("f").AddRule(gold().Variation(1)).AddRule(everybody().Variation(2)), "conditional: blue red", ""},
		{"three rules", flag("f").AddRule(gold().Variation(1)).AddRule(gold().Variation(2)).AddRule(everybody().Variation(2)), "conditional: blue red", ""},

		{"prerequisite off", red().AddPrerequisite("off", 1), "off: control", ""},
		{"prerequisite missing", red().AddPrerequisite("nowhere", 1), "off: control", ""},
		{"prerequisite never", red().AddPrerequisite("red", 2), "off: control", ""},
		{"prerequisite always", red().AddPrerequisite("red", 1), "on: red", "conditional: red"},
		{"prerequisite for some", red().AddPrerequisite("half", 1), "conditional: control red", "conditional off: control red"},
		{"prerequisite's prerequisite", red().AddPrerequisite("gated", 1), "conditional: control red", "conditional off: control red"},
		{"prerequisites, one never", red().AddPrerequisite("half", 1).AddPrerequisite("off", 1), "off: control", ""},
		{"prerequisite of a control", flag("f").AddPrerequisite("half", 1), "off: control", "conditional off: control"},
		{"prerequisite, broken flag", flag("f").FallthroughVariation(7).AddPrerequisite("half", 1), "off: control error", ""},
		{"prerequisites in a circle", red().AddPrerequisite("f", 1), "error", ""},
		{"a chain of prerequisites", red().AddPrerequisite("30", 1), "on: red", "conditional: red"},
		{"a chain that is longer than is followed", red().AddPrerequisite("0", 1), "conditional: red", ""},

		{"rollout by another kind", flag("f").Fallthrough(shareBy("user", 50, 50)), "error", "conditional: control"},
		{"all of it to one variation", flag("f").Fallthrough(shareBy("user", 0, 100)), "on: red", "conditional: red"},
		{"all of it, by another kind", flag("f").AddRule(gold().VariationOrRollout(shareBy("user", 0, 100))), "conditional: control red", ""},
		{"rollout by an attribute that some lack", flag("f").Fallthrough(bucketed("group")), "conditional: control error red", "conditional: control red"},
		{"rollout by a number", flag("f").Fallthrough(bucketed("height")), "error", "conditional: control"},
		{"rollout of nothing", flag("f").Fallthrough(ldmodel.VariationOrRollout{}), "error", ""},
		{"variation out of range", flag("f").FallthroughVariation(7), "error", ""},
		{"a variant of another name", flag("f").Variations(ldvalue.Int(1)), "error", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			others := []ldmodel.FeatureFlag{flag("half").Fallthrough(share(50, 50)).Build(), flag("off").On(false).Build(), redFlag("red"),
				flag("gated").FallthroughVariation(1).AddPrerequisite("half", 1).Build(), redFlag("49")}
			for i := range 49 { // a chain
				others = append(others, flag(strconv.Itoa(i)).FallthroughVariation(1).AddPrerequisite(strconv.Itoa(i+1), 1).Build())
			}
			s := newSystem(t, ld.Config{}, append(others, c.flag.Build())...)
			require.Equal(t, c.seen, outcomes(t, s.rollout(launchdarkly.Options{})))
			if c.unaided == "" {
				c.unaided = c.seen
			}
			require.Equal(t, c.unaided, outcomes(t, launchdarkly.New(s.LDClient, nil)), "unaided")
		})
	}
}

func outcomes(t *testing.T, r core.Rollout) string {
	states, variants := map[string]bool{}, map[string]bool{}
	for i := range 500 {
		q := request("f", "plain-"+strconv.Itoa(i), core.Float("height", 1.5))
		if i%2 == 1 {
			q.Key = "gold-" + strconv.Itoa(i)
			q.Traits = append(q.Traits, core.String("plan", "gold"), core.String("group", strconv.Itoa(i)))
		}
		d, err := r.Resolve(t.Context(), q)
		if err != nil {
			variants["error"] = true
			continue
		}
		states[d.State.String()] = true
		switch {
		case d.Outside:
			variants["outside"] = true
		case d.State == core.Off || d.Variant == "":
			variants["control"] = true
		default:
			variants[d.Variant] = true
		}
	}
	text := strings.Join(slices.Sorted(maps.Keys(variants)), " ")
	if len(states) > 0 {
		text = strings.Join(slices.Sorted(maps.Keys(states)), " ") + ": " + text
	}
	return text
}

func TestValues(t *testing.T) {
	for text, want := range map[string]string{
		`"red"`:                      "red",
		`""`:                         "",
		`true`:                       core.AnyVariant,
		`false`:                      core.Control,
		`{"variant":"red","size":3}`: "red",
		`{"variant":true}`:           core.AnyVariant,
		`{"variant":false}`:          core.Control,

		`null`: "error", `3`: "error", `"*"`: "error", `["red"]`: "error", `{}`: "error", `{"variant":3}`: "error",
		`{"variant":null}`: "error", `{"variant":"*"}`: "error", `{"colour":"red"}`: "error",
	} {
		t.Run(text, func(t *testing.T) {
			f := ldbuilders.NewFlagBuilder("f").On(true).FallthroughVariation(0).Variations(ldvalue.Parse([]byte(text)))
			d, err := launchdarkly.New(newSystem(t, ld.Config{}, f.Build()).LDClient, nil).Resolve(t.Context(), request("f", "k"))
			if want == "error" {
				require.ErrorIs(t, err, core.ErrUnknownVariant)
				require.ErrorContains(t, err, text)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, d.Variant)
		})
	}
}

// Of one variant, true is on.
func TestOnForBooleanFlags(t *testing.T) {
	f := ldbuilders.NewFlagBuilder("f").On(true).Variations(ldvalue.Bool(false), ldvalue.Bool(true)).FallthroughVariation(1)
	q := request("f", "k")
	q.Variants = []string{core.Control, core.Candidate}
	d, err := newSystem(t, ld.Config{}, f.Build()).rollout(launchdarkly.Options{}).Resolve(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, core.Decision{State: core.On, Variant: core.AnyVariant, Reason: "FALLTHROUGH"}, d)
}

// The flag is changed between its evaluation and the look at its definition.
func TestDefinitionAndAnswerDisagree(t *testing.T) {
	off, split := flag("pill").On(false).Build(), flag("pill").Fallthrough(share(0, 50, 50)).Build()
	rule := flag("pill").AddRule(ldbuilders.NewRuleBuilder().ID("r").Variation(1)).Build()
	for name, c := range map[string]struct {
		then, now ldmodel.FeatureFlag
		want      core.State
	}{
		"agree":               {redFlag("pill"), redFlag("pill"), core.On},
		"another outcome now": {redFlag("pill"), flag("pill").FallthroughVariation(2).Build(), core.Conditional},
		"off now":             {redFlag("pill"), off, core.Conditional},
		"splits now":          {redFlag("pill"), split, core.Conditional},
		"a rule that is gone": {rule, split, core.Conditional},
		"off then":            {off, redFlag("pill"), core.Off},
		"prerequisite then":   {flag("pill").AddPrerequisite("p", 1).Build(), redFlag("pill"), core.Off},
	} {
		t.Run(name, func(t *testing.T) {
			var s *system
			change := &spy{after: func() { s.put(c.now) }}
			s = newSystem(t, ld.Config{Hooks: []ldhooks.Hook{change}}, c.then)
			require.Equal(t, c.want, resolve(t, s.rollout(launchdarkly.Options{}), "pill", "k").State)
		})
	}
}
