package unleash

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"
	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
)

// The builders below write the JSON that a server sends.

// strategy returns a strategy with parameters such as "rollout=50 groupId=g" and
// further fields.
func strategy(name, parameters string, more ...string) string {
	p := map[string]string{}
	for _, pair := range strings.Fields(parameters) {
		k, v, _ := strings.Cut(pair, "=")
		p[k] = v
	}
	text, _ := json.Marshal(p)
	return strings.Join(append([]string{fmt.Sprintf(`{"name":%q,"parameters":%s`, name, text)}, more...), ",") + "}"
}

func share50(more ...string) string {
	return strategy("flexibleRollout", "rollout=50 stickiness=default groupId=g", more...)
}

func share100(more ...string) string {
	return strategy("flexibleRollout", "rollout=100 stickiness=default groupId=g", more...)
}

// variants returns the field of that name, from "red=500 blue=500"; an empty
// stickiness is left out.
func variants(weights, stickiness string) string {
	var list []string
	for _, pair := range strings.Fields(weights) {
		name, weight, _ := strings.Cut(pair, "=")
		v := fmt.Sprintf(`{"name":%q,"weight":%s`, name, weight)
		if stickiness != "" {
			v += fmt.Sprintf(`,"stickiness":%q`, stickiness)
		}
		list = append(list, v+"}")
	}
	return `"variants":[` + strings.Join(list, ",") + "]"
}

func constraint(field, operator, value string) string {
	return fmt.Sprintf(`"constraints":[{"contextName":%q,"operator":%q,"values":[%q],"value":%q}]`, field, operator, value, value)
}

// enabled returns the enabled toggle "x" with strategies.
func enabled(strategies ...string) string { return toggleNamed("x", strategies) }

// parent returns the enabled toggle "p" with strategies, after x, which needs it.
func parent(need string, strategies ...string) string {
	return child(need) + "," + toggleNamed("p", strategies)
}

// child returns the toggle "x", on for all but for its dependency on "p".
func child(need string) string {
	return `{"name":"x","enabled":true,"dependencies":[{"feature":"p"` + need + `}]}`
}

func toggleNamed(name string, strategies []string) string {
	return fmt.Sprintf(`{"name":%q,"enabled":true,"strategies":[%s]}`, name, strings.Join(strategies, ","))
}

// in adds fields to the first toggle.
func in(toggle string, fields string) string {
	return strings.Replace(toggle, `{"name":"x",`, `{"name":"x",`+fields+",", 1)
}

// Weights of variants.
const (
	mixed      = "control=500 red=500"
	weightless = "red=0 blue=0"
)

// meanings are the truth table: a toggle "x", perhaps with others, and what it
// means. "none" is not selected, "any" selected without a variant.
var meanings = []struct{ name, toggles, want string }{
	{"disabled", `{"name":"x","enabled":false,"strategies":[` + share100() + `]}`, "off: none"},
	{"no strategies", enabled(), "on: any"},
	{"null for lists", `{"name":"x","enabled":true,"strategies":null,"variants":null,"dependencies":null}`, "on: any"},
	{"default", enabled(strategy("default", "")), "on: any"},
	{"100 %", enabled(share100()), "on: any"},
	{"100 % as a number", enabled(`{"name":"flexibleRollout","parameters":{"rollout":100,"stickiness":"default"}}`), "on: any"},
	{"50 %", enabled(share50()), "conditional: none any, by default"},
	{"1 %", enabled(strategy("flexibleRollout", "rollout=1 stickiness=default")), "conditional: none any, by default"},
	{"99.5 %", enabled(strategy("flexibleRollout", "rollout=99.5 stickiness=")), "conditional: none any, by default"},
	{"0 %", enabled(strategy("flexibleRollout", "rollout=0 stickiness=default")), "off: none"},
	{"below the client's smallest step", enabled(strategy("flexibleRollout", "rollout=0.9 stickiness=default")), "off: none"},
	{"no number", enabled(strategy("flexibleRollout", "rollout=many stickiness=default")), "off: none"},
	{"100 % at random", enabled(strategy("flexibleRollout", "rollout=100 stickiness=random")), "on: any"},
	{"50 % at random", enabled(strategy("flexibleRollout", "rollout=50 stickiness=random")), "conditional: none any, by random"},
	{"100 % by session", enabled(strategy("flexibleRollout", "rollout=100 stickiness=sessionId")), "on: any"},
	{"100 % by property", enabled(strategy("flexibleRollout", "rollout=100 stickiness=company")), "conditional: none any"},
	{"0 % by property", enabled(strategy("flexibleRollout", "rollout=0 stickiness=company")), "off: none"},

	{"gradual by user", enabled(strategy("gradualRolloutUserId", "percentage=50 groupId=g")), "conditional: none any"},
	{"gradual by user, 100 %", enabled(strategy("gradualRolloutUserId", "percentage=100 groupId=g")), "on: any"},
	{"gradual by user, no group", enabled(strategy("gradualRolloutUserId", "percentage=100")), "off: none"},
	{"gradual by session, 100 %", enabled(strategy("gradualRolloutSessionId", "percentage=100 groupId=g")), "on: any"},
	{"gradual at random", enabled(strategy("gradualRolloutRandom", "percentage=50")), "conditional: none any, by random"},
	{"gradual at random, 100 %", enabled(strategy("gradualRolloutRandom", "percentage=100")), "on: any"},
	{"user ids", enabled(strategy("userWithId", "userIds=alice,bob")), "conditional: none any"},
	{"no user ids", enabled(strategy("userWithId", "userIds=")), "off: none"},
	{"addresses", enabled(strategy("remoteAddress", "IPs=127.0.0.1")), "conditional: none any"},
	{"hosts", enabled(strategy("applicationHostname", "hostNames=elsewhere")), "conditional: none any"},
	{"a strategy of the app", enabled(strategy("vowels", "")), "conditional: none any"},
	{"an unknown strategy", enabled(strategy("moon", "")), "off: none"},
	{"constraint", enabled(strategy("default", "", constraint("userId", "IN", "alice"))), "conditional: none any"},
	{"operator unknown to the client", enabled(strategy("default", "", constraint("userId", "REGEX", "^a"))), "off: none"},
	{"segment", enabled(strategy("default", "", `"segments":[1]`)), "conditional: none any, with segments"},

	{"unknown, then all", enabled(strategy("moon", ""), share100()), "on: any"},
	{"some, then all", enabled(share50(), share100()), "on: any, by default"},
	{"all, then a variant", enabled(share100(), share100(variants("red=1000", ""))), "on: any"},
	{"alice a variant, all none", enabled(share100(constraint("userId", "IN", "alice"), variants("red=1000", "")), share100()), "conditional: any red"},
	{"0 % with variants", enabled(strategy("flexibleRollout", "rollout=0 stickiness=default groupId=g", variants(mixed, ""))), "off: none"},

	{"one variant", enabled(share100(variants("red=1000", "default"))), "on: red"},
	{"one variant that weighs", enabled(share100(variants("blue=0 red=1000", "default"))), "on: red"},
	{"control for all", enabled(share100(variants("control=1000", ""))), "off: control"},
	{"control for half", enabled(share50(variants("control=1000", ""))), "off: none control, by default"},
	{"several variants for all", enabled(share100(variants("red=500 blue=500", "userId"))), "conditional: red blue, by userId"},
	{"control and another for all", enabled(share100(variants(mixed, ""))), "conditional: control red, by default"},
	{"one variant for half", enabled(share50(variants("red=1000", ""))), "conditional: none red, by default"},
	{"variants that weigh nothing", enabled(share100(variants(weightless, ""))), "on: any"},
	{"variant called disabled", enabled(share100(variants("disabled=1000", ""))), "on: any"},
	{"variants without a group", enabled(strategy("default", "", variants("red=1000", ""))), "off: none"},
	{"variants at random", enabled(share100(variants("red=500 blue=500", "random"))), "conditional: red blue, by random"},
	{"legacy variants", in(enabled(share100()), variants(mixed, "")), "conditional: control red, by default"},
	{"legacy variants, no strategies", in(enabled(), variants("red=1", "")), "on: red"},
	{"legacy variants and the strategy's", in(enabled(share100(variants("blue=1", ""))), variants(mixed, "")), "on: blue"},
	{"legacy variants that weigh nothing", in(enabled(share50()), variants(weightless, "")), "conditional: none any, by default"},
	{"an override", in(enabled(), `"variants":[{"name":"red","weight":1},{"name":"blue","overrides":[{"contextName":"userId","values":["alice"]}]}]`), "conditional: red blue"},

	{"parent on", parent("", share100()), "on: any"},
	{"parent off", child("") + `,{"name":"p","enabled":false}`, "off: none"},
	{"parent absent", child(""), "off: none"},
	{"parent for some", parent("", share50()), "conditional: none any, by default"},
	{"parent off, wanted off", child(`,"enabled":false`) + `,{"name":"p","enabled":false}`, "on: any"},
	{"parent on, wanted off", parent(`,"enabled":false`, share100()), "off: none"},
	{"parent for some, wanted off", parent(`,"enabled":false`, share50()), "conditional: none any, by default"},
	{"parent absent, wanted off", child(`,"enabled":false`), "off: none"},
	{"parent with a parent", child("") + `,{"name":"p","enabled":true,"dependencies":[{"feature":"q"}]},{"name":"q","enabled":true}`, "off: none"},
	{"parent's variant", parent(`,"variants":["red"]`, share100(variants(mixed, ""))), "conditional: none any, by default"},
	{"parent's only variant", parent(`,"variants":["red"]`, share100(variants("red=1", ""))), "on: any"},
	{"no variant of the parent", parent(`,"variants":["blue"]`, share100(variants("red=1", ""))), "off: none"},
	{"variants of the parent that weigh nothing", parent(`,"variants":["red"]`, share100(variants(weightless, ""))), "off: none"},
	{"parent without variants", parent(`,"variants":["red"]`, share100()), "on: any"},
	{"parent at random, whatever variant", parent("", share100(variants("red=1 blue=1", "random"))), "on: any"},
	{"parent at random, one variant", parent(`,"variants":["red"]`, share100(variants("red=1 blue=1", "random"))), "conditional: none any, by random"},
	{"parent by segment", parent("", strategy("default", "", `"segments":[1]`)), "conditional: none any, with segments"},
	{"two parents, one off", `{"name":"x","enabled":true,"dependencies":[{"feature":"p"},{"feature":"q"}]},{"name":"p","enabled":true},{"name":"q","enabled":false}`, "off: none"},
	{"empty list of parents", in(enabled(), `"dependencies":[]`), "on: any"},
}

// String writes m as the table does.
func (m meaning) String() string {
	text := m.state.String() + ":"
	if m.can.none {
		text += " none"
	}
	if m.can.bare {
		text += " any"
	}
	for _, name := range m.can.names {
		text += " " + name
	}
	if seeds := append(slices.Clone(m.selectSeeds), m.variantSeeds...); len(seeds) > 0 {
		text += ", by " + strings.Join(seeds, " ")
	}
	if m.segments {
		text += ", with segments"
	}
	return text
}

func TestMeaning(t *testing.T) {
	for _, c := range meanings {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, meaningOf(t, reader{strategies: []string{"vowels"}}, c.toggles).String())
		})
	}
}

// meaningOf reads the toggle "x".
func meaningOf(t testing.TB, r reader, toggles string) meaning {
	all := map[string]*api.Feature{}
	for _, f := range decoded(t, "["+toggles+"]") {
		all[f.Name] = &f
	}
	return r.read(all["x"], func(name string) *api.Feature { return all[name] })
}

func TestMeaningOfBooleanToggles(t *testing.T) {
	for _, c := range []struct{ name, toggles, want string }{
		{"several variants for all", enabled(share100(variants(mixed, ""))), "on: any, by default"},
		{"one variant for half", enabled(share50(variants("red=1", ""))), "conditional: none any, by default"},
		{"control for all", enabled(share100(variants("control=1", ""))), "on: any"},
		{"disabled", `{"name":"x"}`, "off: none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, meaningOf(t, reader{boolean: true}, c.toggles).String())
		})
	}
}

// TestMeaningUnderTheAppsContext: nobody knows then whether the fields are set.
func TestMeaningUnderTheAppsContext(t *testing.T) {
	r := reader{foreign: true}
	require.Equal(t, "conditional: none any",
		meaningOf(t, r, enabled(strategy("flexibleRollout", "rollout=100 stickiness=sessionId"))).String())
	require.Equal(t, "on: any", meaningOf(t, r, enabled(share100())).String())
}

// vowels is a strategy of the app.
type vowels struct{}

func (vowels) Name() string { return "vowels" }

func (vowels) IsEnabled(_ map[string]any, c *ucontext.Context) bool {
	return strings.ContainsAny(c.UserId[:1], "aeiou")
}

// TestMeaningHolds holds the table against the client: each of its answers to
// many units is one that the table allows, which Resolve itself looks at, and a
// conditional toggle gives more than one.
func TestMeaningHolds(t *testing.T) {
	r, f := over(t, "[]", &Options{Strategies: []string{"vowels"}, AllowRandom: true}, uc.WithStrategies(vowels{}))
	same := []string{"addresses", "hosts", "100 % by property", "1 %"} // for the units of this test
	t.Cleanup(mendDisabledVariant)
	for _, c := range meanings {
		t.Run(c.name, func(t *testing.T) {
			f.set(t, "["+c.toggles+`,{"name":"`+strings.ReplaceAll(t.Name(), `"`, "")+`"}]`,
				`[{"id":1,"constraints":[{"contextName":"userId","operator":"IN","values":["alice"]}]}]`)
			eventually(t, func() bool { _, err := ask(r, t.Name(), ""); return err == nil })
			requireConsistent(t, r, slices.Contains(same, c.name))
		})
	}
}

// mendDisabledVariant undoes what the client did to its own global variable when
// it evaluated a parent whose variants weigh nothing.
func mendDisabledVariant() {
	api.DISABLED_VARIANT.Enabled, api.DISABLED_VARIANT.FeatureEnabled = false, false
}

// requireConsistent asks for many units and holds their answers against the
// state.
func requireConsistent(t require.TestingT, r *Rollout, same bool) {
	var state core.State
	seen := map[string]bool{}
	for i := range 200 {
		d, err := ask(r, "x", []string{"alice", "bob", fmt.Sprint("unit ", i)}[min(i, 2)], "control", "red", "blue")
		require.NoError(t, err)
		if d.Choose != nil {
			d.Variant, err = d.Choose(context.Background())
			require.NoError(t, err)
		}
		if d.Variant == "" {
			d.Variant = core.Control
		}
		state = d.State
		seen[d.Variant] = true
	}
	switch {
	case state == core.Off:
		require.Equal(t, map[string]bool{core.Control: true}, seen)
	case state == core.On:
		require.Len(t, seen, 1)
		require.NotContains(t, seen, core.Control)
	case !same && !seen[core.AnyVariant]:
		require.Greater(t, len(seen), 1)
	}
}

// TestMeaningHoldsForAnyToggle does the same for toggles that nobody thought of.
func TestMeaningHoldsForAnyToggle(t *testing.T) {
	r := offline(t, "[]", &Options{Strategies: []string{"vowels"}, AllowRandom: true}, uc.WithStrategies(vowels{}))
	t.Cleanup(mendDisabledVariant)
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, label) }
		anyStrategy := func() string {
			percent := pick("percent", "0", "0.5", "1", "37", "99", "100")
			s := pick("strategy", "default", "flexibleRollout", "gradualRolloutUserId", "gradualRolloutSessionId",
				"gradualRolloutRandom", "userWithId", "remoteAddress", "applicationHostname", "vowels", "moon")
			more := []string{
				variants(pick("variants", "", "red=1", "red=1 blue=0", mixed, weightless, "disabled=1", "control=1"), pick("seed", "", "random", "company")),
				pick("constraint", `"constraints":null`, constraint("userId", "IN", "alice"), constraint("userId", "REGEX", "a"), constraint("userId", "NUM_GT", "1")),
			}
			group := pick("group", "groupId=g", "")
			return strategy(s, fmt.Sprintf("rollout=%s percentage=%s stickiness=%s userIds=alice IPs=::1 hostNames=h %s",
				percent, percent, pick("stickiness", "default", "random", "userId", "company"), group), more...)
		}
		anyToggle := func(name string) string {
			var list []string
			for range rapid.IntRange(0, 3).Draw(rt, "strategies") {
				list = append(list, anyStrategy())
			}
			return fmt.Sprintf(`{"name":%q,"enabled":%s,"strategies":[%s],%s`, name, pick("enabled", "true", "true", "true", "false"),
				strings.Join(list, ","), variants(pick("legacy", "", "", "red=1", mixed, weightless), ""))
		}
		x := anyToggle("x")
		switch pick("dependency", "", "on", "off", "variant") {
		case "on":
			x += `,"dependencies":[{"feature":"p"}]`
		case "off":
			x += `,"dependencies":[{"feature":"p","enabled":false}]`
		case "variant":
			x += `,"dependencies":[{"feature":"p","variants":["red"]}]`
		}
		toggles := "[" + x + "}," + anyToggle("p") + "}]"
		load(t, r.opts.Storage, toggles)
		rt.Log(toggles)
		requireConsistent(rt, r, true)
	})
}
