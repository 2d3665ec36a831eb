package launchdarkly

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldreason"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// flagMap is flags from a map.
type flagMap map[string]ldmodel.FeatureFlag

func (m flagMap) flag(key string) *ldmodel.FeatureFlag {
	if f, ok := m[key]; ok {
		return &f
	}
	return nil
}

// An answer is all that decide reads.
type answer struct {
	question
	detail ldreason.EvaluationDetail
	err    error
}

func (a *answer) decide() (core.Decision, error) {
	return decide(&a.question, &a.detail, a.err)
}

func answered(reason ldreason.EvaluationReason, variation int) *answer {
	c := ldcontext.NewWithKind(DefaultKind, "k")
	return &answer{
		question: question{key: "pill", field: DefaultField, variants: 3, flags: flagMap{}, unit: unit{given: &c}},
		detail:   ldreason.NewEvaluationDetail(colours[variation], variation, reason),
	}
}

// TestEveryReason has a case for each reason, error kind and big segments
// status of the SDK, and fails by name for one that it doesn't know.
func TestEveryReason(t *testing.T) {
	sdks := errors.New("the SDK's")
	cases := map[string]struct {
		reason ldreason.EvaluationReason
		err    error
		want   core.Decision
		wrong  []error // all of which the error wraps
		text   string
	}{
		"EvalReasonOff":                {reason: ldreason.NewEvalReasonOff(), want: core.Decision{State: core.Off, Reason: "OFF"}},
		"EvalReasonTargetMatch":        {reason: ldreason.NewEvalReasonTargetMatch(), want: core.Decision{State: core.Conditional, Variant: "red", Reason: "TARGET_MATCH"}},
		"EvalReasonRuleMatch":          {reason: ldreason.NewEvalReasonRuleMatch(0, "r1"), want: core.Decision{State: core.Conditional, Variant: "red", Reason: "RULE_MATCH r1"}},
		"EvalReasonPrerequisiteFailed": {reason: ldreason.NewEvalReasonPrerequisiteFailed("p"), want: core.Decision{State: core.Off, Reason: "PREREQUISITE_FAILED p"}},
		"EvalReasonFallthrough":        {reason: ldreason.NewEvalReasonFallthrough(), want: core.Decision{State: core.Conditional, Variant: "red", Reason: "FALLTHROUGH"}},
		"EvalReasonError":              {reason: ldreason.NewEvalReasonError("NEWER"), text: "NEWER"},

		"EvalErrorClientNotReady":   {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorClientNotReady), err: sdks, wrong: []error{core.ErrNotReady, sdks}},
		"EvalErrorFlagNotFound":     {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorFlagNotFound), err: sdks, wrong: []error{core.ErrFlagNotFound, sdks}},
		"EvalErrorMalformedFlag":    {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorMalformedFlag), text: `flag "pill": MALFORMED_FLAG`},
		"EvalErrorUserNotSpecified": {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorUserNotSpecified), err: sdks, wrong: []error{sdks}},
		"EvalErrorWrongType":        {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorWrongType), text: `flag "pill": WRONG_TYPE`},
		"EvalErrorException":        {reason: ldreason.NewEvalReasonError(ldreason.EvalErrorException), err: sdks, wrong: []error{sdks}},

		"BigSegmentsHealthy":       {reason: segments(ldreason.BigSegmentsHealthy), want: core.Decision{State: core.Conditional, Variant: "red", Reason: "FALLTHROUGH"}},
		"BigSegmentsStale":         {reason: segments(ldreason.BigSegmentsStale), want: core.Decision{State: core.Conditional, Variant: "red", Reason: "FALLTHROUGH"}},
		"BigSegmentsNotConfigured": {reason: segments(ldreason.BigSegmentsNotConfigured), text: "big segment"},
		"BigSegmentsStoreError":    {reason: segments(ldreason.BigSegmentsStoreError), text: "big segment"},
	}
	for _, name := range constants(t, "EvalReasonKind", "EvalErrorKind", "BigSegmentsStatus") {
		t.Run(name, func(t *testing.T) {
			c, ok := cases[name]
			require.True(t, ok, "the SDK's ldreason.%s is not in the truth table of decide", name)
			a := answered(c.reason, 1)
			a.err = c.err
			d, err := a.decide()
			if len(c.wrong) == 0 && c.text == "" {
				require.NoError(t, err)
				require.Equal(t, c.want, d)
				return
			}
			require.Error(t, err)
			for _, w := range c.wrong {
				require.ErrorIs(t, err, w)
			}
			require.ErrorContains(t, err, c.text)
			if kind := c.reason.GetErrorKind(); kind != "" {
				var ee *EvaluationError
				require.ErrorAs(t, err, &ee)
				require.Equal(t, EvaluationError{Flag: "pill", Kind: kind, Err: c.err}, *ee)
			}
		})
	}
	t.Run("an error beside a good reason", func(t *testing.T) {
		a := answered(ldreason.NewEvalReasonFallthrough(), 1)
		a.err = sdks
		_, err := a.decide()
		require.ErrorIs(t, err, sdks)
	})
	t.Run("a reason of a newer SDK", func(t *testing.T) {
		var reason ldreason.EvaluationReason
		require.NoError(t, reason.UnmarshalJSON([]byte(`{"kind":"HOLDOUT"}`)))
		_, err := answered(reason, 1).decide()
		require.ErrorContains(t, err, `the reason "HOLDOUT" is unknown here`)
	})
}

func segments(s ldreason.BigSegmentsStatus) ldreason.EvaluationReason {
	return ldreason.NewEvalReasonFromReasonWithBigSegmentsStatus(ldreason.NewEvalReasonFallthrough(), s)
}

// constants returns the names of the SDK's ldreason constants of the given
// types, read from its source as this module builds with it.
func constants(t *testing.T, types ...string) (names []string) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/launchdarkly/go-sdk-common/v3/ldreason").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		f, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for _, typ := range types {
				if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typ {
					for _, name := range spec.Names {
						names = append(names, name.Name)
					}
				}
			}
			return true
		})
	}
	require.Greater(t, len(names), 10, "the SDK's source has another shape than this test expects")
	return names
}

func TestValues(t *testing.T) {
	object := func(text string) ldvalue.Value { return ldvalue.Parse([]byte(text)) }
	for _, c := range []struct {
		value ldvalue.Value
		want  string
	}{
		{ldvalue.String("red"), "red"},
		{ldvalue.String(""), ""},
		{ldvalue.Bool(true), core.AnyVariant},
		{ldvalue.Bool(false), core.Control},
		{object(`{"variant":"red","size":3}`), "red"},
		{object(`{"variant":true}`), core.AnyVariant},
		{object(`{"variant":false}`), core.Control},
	} {
		a := answered(ldreason.NewEvalReasonFallthrough(), 0)
		a.detail.Value = c.value
		d, err := a.decide()
		require.NoError(t, err, c.value)
		require.Equal(t, c.want, d.Variant, c.value)
	}
	for _, value := range []ldvalue.Value{
		ldvalue.Null(), ldvalue.Int(3), ldvalue.String("*"), object(`["red"]`), object(`{}`), object(`{"variant":3}`),
		object(`{"variant":null}`), object(`{"variant":"*"}`), object(`{"colour":"red"}`),
	} {
		a := answered(ldreason.NewEvalReasonFallthrough(), 0)
		a.detail.Value = value
		_, err := a.decide()
		require.ErrorIs(t, err, core.ErrUnknownVariant, value)
		require.ErrorContains(t, err, value.JSONString())
	}
}

// TestDefinitionAndAnswerDisagree: the flag was changed between the evaluation
// and the look at its definition.
func TestDefinitionAndAnswerDisagree(t *testing.T) {
	fell := ldreason.NewEvalReasonFallthrough()
	red, blue := flag("pill").FallthroughVariation(1).Build(), flag("pill").FallthroughVariation(2).Build()
	off, split := flag("pill").On(false).Build(), flag("pill").Fallthrough(share(0, 50, 50)).Build()
	for name, c := range map[string]struct {
		reason ldreason.EvaluationReason
		seen   *ldmodel.FeatureFlag
		want   core.State
	}{
		"agree":                 {fell, &red, core.On},
		"another outcome now":   {fell, &blue, core.Conditional},
		"off now":               {fell, &off, core.Conditional},
		"splits now":            {fell, &split, core.Conditional},
		"a rule that is gone":   {ldreason.NewEvalReasonRuleMatch(4, "r"), &split, core.Conditional},
		"off then":              {ldreason.NewEvalReasonOff(), &red, core.Off},
		"prerequisite then":     {ldreason.NewEvalReasonPrerequisiteFailed("p"), &red, core.Off},
		"deleted now, or never": {fell, nil, core.Conditional},
	} {
		t.Run(name, func(t *testing.T) {
			a := answered(c.reason, 1)
			a.seen = c.seen
			d, err := a.decide()
			require.NoError(t, err)
			require.Equal(t, c.want, d.State)
		})
	}
}

// TestFlagsOfEveryShape puts flags through the real evaluator, 500 units each,
// once with their definitions in sight and once without.
func TestFlagsOfEveryShape(t *testing.T) {
	boolean := func(f *ldbuilders.FlagBuilder) *ldbuilders.FlagBuilder {
		return f.Variations(ldvalue.Bool(false), ldvalue.Bool(true))
	}
	gold := func() *ldbuilders.RuleBuilder {
		return ldbuilders.NewRuleBuilder().ID("gold").Clauses(ldbuilders.ClauseWithKind(DefaultKind, "plan", ldmodel.OperatorIn, ldvalue.String("gold")))
	}
	everybody := func() *ldbuilders.RuleBuilder { return ldbuilders.NewRuleBuilder().ID("everybody") }
	kindless := func(percent ...int) ldmodel.VariationOrRollout { return shareBy("user", percent...) }
	bucketed := func(attr string) ldmodel.VariationOrRollout {
		v := share(50, 50)
		v.Rollout.BucketBy = attrRef(attr)
		return v
	}
	toRed := trial(40, 30, 0, 30)
	toRed.Rollout.Variations[3].Variation = 1
	type outcome struct {
		state    core.State
		variants string // that units got, sorted; "outside" and "error" among them
	}
	for name, c := range map[string]struct {
		flag          *ldbuilders.FlagBuilder
		seen, unaided outcome
	}{
		"off":                          {flag("f").On(false), outcome{core.Off, "control"}, outcome{core.Off, "control"}},
		"off, to another variation":    {flag("f").On(false).OffVariation(1), outcome{core.Off, "control"}, outcome{core.Off, "control"}},
		"off, to no variation":         {ldbuilders.NewFlagBuilder("f").Variations(colours...), outcome{core.Off, "control"}, outcome{core.Off, "control"}},
		"one variation":                {flag("f").FallthroughVariation(1), outcome{core.On, "red"}, outcome{core.Conditional, "red"}},
		"control":                      {flag("f"), outcome{core.Off, "control"}, outcome{core.Conditional, "control"}},
		"true":                         {boolean(flag("f")).FallthroughVariation(1), outcome{core.Conditional, "*"}, outcome{core.Conditional, "*"}},
		"false":                        {boolean(flag("f")), outcome{core.Off, "control"}, outcome{core.Conditional, "control"}},
		"split":                        {flag("f").Fallthrough(share(50, 50)), outcome{core.Conditional, "control red"}, outcome{core.Conditional, "control red"}},
		"100 to 0":                     {flag("f").Fallthrough(share(0, 100, 0)), outcome{core.On, "red"}, outcome{core.Conditional, "red"}},
		"weights that leave a rest":    {flag("f").Fallthrough(share(0, 50, 0)), outcome{core.Conditional, "blue red"}, outcome{core.Conditional, "blue red"}},
		"experiment":                   {flag("f").Fallthrough(trial(40, 20, 20, 20)), outcome{core.Conditional, "blue control outside red"}, outcome{core.Conditional, "blue control red"}},
		"experiment, rest not control": {flag("f").Fallthrough(toRed), outcome{core.Conditional, "blue control outside"}, outcome{core.Conditional, "blue control red"}},
		"experiment on a rule":         {flag("f").AddRule(gold().VariationOrRollout(trial(40, 30, 30))), outcome{core.Conditional, "control outside red"}, outcome{core.Conditional, "control red"}},
		"experiment for some":          {flag("f").Fallthrough(trial(0, 50, 50)).AddPrerequisite("half", 1), outcome{core.Conditional, "control outside red"}, outcome{7, "control red"}},
		"experiment beside a rule":     {flag("f").AddRule(gold().Variation(0)).Fallthrough(trial(0, 0, 50, 50)), outcome{core.Conditional, "blue outside red"}, outcome{core.Conditional, "blue control red"}},
		"experiment beside a target":   {flag("f").AddContextTarget(DefaultKind, 2, "gold-1").Fallthrough(trial(0, 50, 50)), outcome{core.Conditional, "blue control red"}, outcome{core.Conditional, "blue control red"}},
		"target":                       {flag("f").AddContextTarget(DefaultKind, 1, "gold-1", "plain-2"), outcome{core.Conditional, "control red"}, outcome{core.Conditional, "control red"}},
		"target of nobody":             {flag("f").AddContextTarget(DefaultKind, 1).FallthroughVariation(2), outcome{core.On, "blue"}, outcome{core.Conditional, "blue"}},
		"target, same outcome":         {flag("f").AddContextTarget(DefaultKind, 1, "gold-1").FallthroughVariation(1), outcome{core.On, "red"}, outcome{core.Conditional, "red"}},
		"rule":                         {flag("f").AddRule(gold().Variation(1)), outcome{core.Conditional, "control red"}, outcome{core.Conditional, "control red"}},
		"rule, same outcome":           {flag("f").AddRule(gold().Variation(1)).FallthroughVariation(1), outcome{core.On, "red"}, outcome{core.Conditional, "red"}},
		"rule for everybody":           {flag("f").AddRule(everybody().Variation(1)), outcome{core.On, "red"}, outcome{core.Conditional, "red"}},
		"two rules":                    {flag("f").AddRule(gold().Variation(1)).AddRule(everybody().Variation(2)), outcome{core.Conditional, "blue red"}, outcome{core.Conditional, "blue red"}},
		"three rules":                  {flag("f").AddRule(gold().Variation(1)).AddRule(gold().Variation(2)).AddRule(everybody().Variation(2)), outcome{core.Conditional, "blue red"}, outcome{core.Conditional, "blue red"}},
		"prerequisite off":             {flag("f").FallthroughVariation(1).AddPrerequisite("off", 1), outcome{core.Off, "control"}, outcome{core.Off, "control"}},
		"prerequisite missing":         {flag("f").FallthroughVariation(1).AddPrerequisite("nowhere", 1), outcome{core.Off, "control"}, outcome{core.Off, "control"}},
		"prerequisite never":           {flag("f").FallthroughVariation(1).AddPrerequisite("red", 2), outcome{core.Off, "control"}, outcome{core.Off, "control"}},
		"prerequisite always":          {flag("f").FallthroughVariation(1).AddPrerequisite("red", 1), outcome{core.On, "red"}, outcome{core.Conditional, "red"}},
		"prerequisite for some":        {flag("f").FallthroughVariation(1).AddPrerequisite("half", 1), outcome{core.Conditional, "control red"}, outcome{7, "control red"}},
		"prerequisite's prerequisite":  {flag("f").FallthroughVariation(1).AddPrerequisite("gated", 1), outcome{core.Conditional, "control red"}, outcome{7, "control red"}},
		"prerequisites, one never":     {flag("f").FallthroughVariation(1).AddPrerequisite("half", 1).AddPrerequisite("off", 1), outcome{core.Off, "control"}, outcome{core.Off, "control"}},
		"prerequisite of a control":    {flag("f").AddPrerequisite("half", 1), outcome{core.Off, "control"}, outcome{7, "control"}},
		"prerequisite, broken flag":    {flag("f").FallthroughVariation(7).AddPrerequisite("half", 1), outcome{core.Off, "control error"}, outcome{core.Off, "control error"}},
		"prerequisites in a circle":    {flag("f").FallthroughVariation(1).AddPrerequisite("f", 1), outcome{core.Off, "error"}, outcome{core.Off, "error"}},
		"rollout by another kind":      {flag("f").Fallthrough(kindless(50, 50)), outcome{core.Off, "error"}, outcome{core.Conditional, "control"}},
		"all of it to one variation":   {flag("f").Fallthrough(kindless(0, 100)), outcome{core.On, "red"}, outcome{core.Conditional, "red"}},
		"all of it, by another kind":   {flag("f").AddRule(gold().VariationOrRollout(kindless(0, 100))), outcome{core.Conditional, "control red"}, outcome{core.Conditional, "control red"}},
		"rollout by an attribute":      {flag("f").Fallthrough(bucketed("plan")), outcome{core.Conditional, "control error red"}, outcome{core.Conditional, "control red"}},
		"rollout by a number":          {flag("f").Fallthrough(bucketed("height")), outcome{core.Off, "error"}, outcome{core.Conditional, "control"}},
		"rollout of nothing":           {flag("f").Fallthrough(ldmodel.VariationOrRollout{}), outcome{core.Off, "error"}, outcome{core.Off, "error"}},
		"variation out of range":       {flag("f").FallthroughVariation(7), outcome{core.Off, "error"}, outcome{core.Off, "error"}},
		"a variant of another name":    {flag("f").Variations(ldvalue.Int(1)), outcome{core.Off, "error"}, outcome{core.Off, "error"}},
	} {
		t.Run(name, func(t *testing.T) {
			half := flag("half").Fallthrough(share(50, 50)).Build()
			client, defs, _ := flagsOf(t, c.flag.Build(), half, flag("off").On(false).Build(),
				flag("red").FallthroughVariation(1).Build(), flag("gated").FallthroughVariation(1).AddPrerequisite("half", 1).Build())
			for how, want := range map[string]outcome{"seen": c.seen, "unaided": c.unaided} {
				o := &Options{}
				if how == "seen" {
					o.Definitions = defs
				}
				states, variants := map[core.State]bool{}, map[string]bool{}
				for i := range 500 {
					q := request("f", "plain-"+strconv.Itoa(i), core.Float("height", 1.5))
					if i%2 == 1 {
						// 250 groups of one, so that a rollout by plan splits.
						q.Key = "gold-" + strconv.Itoa(i)
						q.Traits = append(q.Traits, core.String("plan", "gold"))
					}
					if name == "rollout by an attribute" && i%2 == 1 {
						q.Traits[1] = core.String("plan", strconv.Itoa(i))
					}
					d, err := New(client, o).Resolve(t.Context(), q)
					switch {
					case err != nil:
						variants["error"] = true
					case d.Outside:
						variants["outside"] = true
						states[d.State] = true
					case d.State == core.Off || d.Variant == "":
						variants["control"] = true
						states[d.State] = true
					default:
						variants[d.Variant] = true
						states[d.State] = true
					}
				}
				require.Equal(t, want.variants, strings.Join(sorted(variants), " "), how)
				switch {
				case want.variants == "error":
					require.Empty(t, states, how)
				case want.state == 7:
					// The failed prerequisite alone says Off for those units.
					require.Contains(t, states, core.Off, how)
				default:
					require.Equal(t, map[core.State]bool{want.state: true}, states, how)
				}
			}
		})
	}
}

func TestOnForBooleanFlags(t *testing.T) {
	f := ldbuilders.NewFlagBuilder("f").On(true).Variations(ldvalue.Bool(false), ldvalue.Bool(true)).FallthroughVariation(1)
	client, defs, _ := flagsOf(t, f.Build())
	r := New(client, &Options{Definitions: defs})
	q := request("f", "k")
	q.Variants = []string{core.Control, core.Candidate}
	d, err := r.Resolve(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, core.Decision{State: core.On, Variant: core.AnyVariant, Reason: "FALLTHROUGH"}, d)
}

func TestPrerequisitesWithoutEnd(t *testing.T) {
	all := flagMap{}
	for i := range 50 {
		f := flag(strconv.Itoa(i)).FallthroughVariation(1)
		if i < 49 {
			f.AddPrerequisite(strconv.Itoa(i+1), 1)
		}
		all[strconv.Itoa(i)] = f.Build()
	}
	require.Equal(t, reach{first: 1, gated: true}, reachOf(all.flag("0"), all), "a chain that is longer than is followed can't be certain")
	require.Equal(t, reach{first: 1}, reachOf(all.flag("30"), all))
}
