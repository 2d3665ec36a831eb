package unleash_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"
	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// decisions are the truth table: a toggle "x", perhaps with others, and what
// units get, as outcomes writes it.
var decisions = []struct{ name, toggles, want string }{
	{"disabled", `{"name":"x","enabled":false,"strategies":[` + share100() + `]}`, "off: control"},
	{"no strategies", enabled(), "on: any"},
	{"null for lists", `{"name":"x","enabled":true,"strategies":null,"variants":null,"dependencies":null}`, "on: any"},
	{"default", enabled(strategy("default", "")), "on: any"},
	{"100 %", enabled(share100()), "on: any"},
	{"100 % as a number", enabled(`{"name":"flexibleRollout","parameters":{"rollout":100,"stickiness":"default"}}`), "on: any"},
	{"50 %", enabled(share50()), "conditional: any control"},
	{"1 %", enabled(share("1", "default")), "conditional: any control"},
	{"99.5 %", enabled(share("99.5", "")), "conditional: any control"},
	{"0 %", enabled(share("0", "default")), "off: control"},
	{"below the client's smallest step", enabled(share("0.9", "default")), "off: control"},
	{"no number", enabled(share("many", "default")), "off: control"},
	{"100 % at random", enabled(share("100", "random")), "on: any"},
	{"50 % at random", enabled(share("50", "random")), "conditional, drawn: any control"},
	{"100 % by session", enabled(share("100", "sessionId")), "on: any"},
	{"100 % by a property that nobody has", enabled(share("100", "company")), "conditional: control"},
	{"0 % by property", enabled(share("0", "company")), "off: control"},

	{"gradual by user", enabled(strategy("gradualRolloutUserId", "percentage=50 groupId=g")), "conditional: any control"},
	{"gradual by user, 100 %", enabled(strategy("gradualRolloutUserId", "percentage=100 groupId=g")), "on: any"},
	{"gradual by user, no group", enabled(strategy("gradualRolloutUserId", "percentage=100")), "off: control"},
	{"gradual by session, 100 %", enabled(strategy("gradualRolloutSessionId", "percentage=100 groupId=g")), "on: any"},
	{"gradual at random", enabled(strategy("gradualRolloutRandom", "percentage=50")), "conditional, drawn: any control"},
	{"gradual at random, 100 %", enabled(strategy("gradualRolloutRandom", "percentage=100")), "on: any"},
	{"user ids", enabled(strategy("userWithId", "userIds=alice,bob")), "conditional: any control"},
	{"no user ids", enabled(strategy("userWithId", "userIds=")), "off: control"},
	{"addresses", enabled(strategy("remoteAddress", "IPs=127.0.0.1")), "conditional: control"},
	{"hosts", enabled(strategy("applicationHostname", "hostNames=elsewhere")), "conditional: control"},
	{"a strategy of the app", enabled(strategy("vowels", "")), "conditional: any control"},
	{"an unknown strategy", enabled(strategy("moon", "")), "off: control"},
	{"constraint", enabled(strategy("default", "", only("alice"))), "conditional: any control"},
	{"operator unknown to the client", enabled(strategy("default", "", constraint("userId", "REGEX", "^a"))), "off: control"},
	{"segment that is absent", enabled(strategy("default", "", `"segments":[1]`)), "conditional: control"},

	{"unknown, then all", enabled(strategy("moon", ""), share100()), "on: any"},
	{"some, then all", enabled(share50(), share100()), "on: any"},
	{"all, then a variant", enabled(share100(), share100(variants("red=1000", ""))), "on: any"},
	{"alice a variant, all none", enabled(share100(only("alice"), variants("red=1000", "")), share100()), "conditional: any red"},
	{"0 % with variants", enabled(share("0", "default", variants(mixed, ""))), "off: control"},

	{"one variant", enabled(share100(variants("red=1000", "default"))), "on: red"},
	{"one variant that weighs", enabled(share100(variants("blue=0 red=1000", "default"))), "on: red"},
	{"control for all", enabled(share100(variants("control=1000", ""))), "off: control"},
	{"control for half", enabled(share50(variants("control=1000", ""))), "off: control"},
	{"control at random", enabled(share("50", "random", variants("control=1", ""))), "off: control"},
	{"several variants for all", enabled(share100(variants("red=500 blue=500", "userId"))), "conditional: blue red"},
	{"control and another for all", enabled(share100(variants(mixed, ""))), "conditional: control red"},
	{"one variant for half", enabled(share50(variants("red=1000", ""))), "conditional: control red"},
	{"variants that weigh nothing", enabled(share100(variants(weightless, ""))), "on: any"},
	{"variants that weigh nothing, for alice", enabled(share100(only("alice"), variants(weightless, ""))), "conditional: any control"},
	{"variant called disabled", enabled(share100(variants("disabled=1000", ""))), "on: any"},
	{"variants without a group", enabled(strategy("default", "", variants("red=1000", ""))), "off: control"},
	{"variants at random", enabled(share100(variants("red=500 blue=500", "random"))), "conditional, drawn: blue red"},
	{"legacy variants", with(variants(mixed, ""), enabled(share100())), "conditional: control red"},
	{"legacy variants, no strategies", with(variants("red=1", ""), enabled()), "on: red"},
	{"legacy variants and the strategy's", with(variants(mixed, ""), enabled(share100(variants("blue=1", "")))), "on: blue"},
	{"legacy variants that weigh nothing", with(variants(weightless, ""), enabled(share50())), "conditional: any control"},
	{"an override", with(`"variants":[{"name":"red","weight":1},{"name":"blue","overrides":[{"contextName":"userId","values":["alice"]}]}]`, enabled()), "conditional: blue red"},

	{"parent on", parent("", share100()), "on: any"},
	{"parent off", child("") + `,{"name":"p","enabled":false}`, "off: control"},
	{"parent absent", child(""), "off: control"},
	{"parent for some", parent("", share50()), "conditional: any control"},
	{"parent off, wanted off", child(`,"enabled":false`) + `,{"name":"p","enabled":false}`, "on: any"},
	{"parent on, wanted off", parent(`,"enabled":false`, share100()), "off: control"},
	{"parent for some, wanted off", parent(`,"enabled":false`, share50()), "conditional: any control"},
	{"parent absent, wanted off", child(`,"enabled":false`), "off: control"},
	{"parent with a parent", child("") + `,{"name":"p","enabled":true,"dependencies":[{"feature":"q"}]},{"name":"q","enabled":true}`, "off: control"},
	{"parent's variant", parent(`,"variants":["red"]`, share100(variants(mixed, ""))), "conditional: any control"},
	{"parent's only variant", parent(`,"variants":["red"]`, share100(variants("red=1", ""))), "on: any"},
	{"no variant of the parent", parent(`,"variants":["blue"]`, share100(variants("red=1", ""))), "off: control"},
	{"variants of the parent that weigh nothing", parent(`,"variants":["red"]`, share100(variants(weightless, ""))), "off: control"},
	{"parent without variants", parent(`,"variants":["red"]`, share100()), "on: any"},
	{"parent at random, whatever variant", parent("", share100(variants("red=1 blue=1", "random"))), "on: any"},
	{"parent at random, one variant", parent(`,"variants":["red"]`, share100(variants("red=1 blue=1", "random"))), "conditional, drawn: any control"},
	{"two parents, one off", with(`"dependencies":[{"feature":"p"},{"feature":"q"}]`, enabled()) + `,{"name":"p","enabled":true},{"name":"q","enabled":false}`, "off: control"},
	{"empty list of parents", with(`"dependencies":[]`, enabled()), "on: any"},
}

// vowels is a strategy of the app.
type vowels struct{}

func (vowels) Name() string { return "vowels" }

func (vowels) IsEnabled(_ map[string]any, c *ucontext.Context) bool {
	return strings.ContainsAny(c.UserId[:1], "aeiou")
}

// outcomes returns the states and the variants that 500 units get of x, alice
// and bob among them: "any" for a unit that the core spreads, "control" for one
// that is not selected too.
func outcomes(t require.TestingT, r core.Rollout, names ...string) string {
	states, seen := map[string]bool{}, map[string]bool{}
	for i := range 500 {
		q := core.Request{Experiment: "x", Key: []string{"alice", "bob", fmt.Sprint("unit ", i)}[min(i, 2)], Variants: names}
		d, err := r.Resolve(ctx, q)
		require.NoError(t, err)
		state := d.State.String()
		if d.Choose != nil {
			state += ", drawn"
			d.Variant, err = d.Choose(ctx)
			require.NoError(t, err)
		}
		states[state] = true
		switch {
		case d.Outside:
			seen["outside"] = true
		case d.Variant == "" || d.State == core.Off:
			seen["control"] = true
		case d.Variant == core.AnyVariant:
			seen["any"] = true
		default:
			seen[d.Variant] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(states)), " ") + ": " + strings.Join(slices.Sorted(maps.Keys(seen)), " ")
}

// mendDisabledVariant undoes what the client did to its own global variable when
// it evaluated variants that weigh nothing.
func mendDisabledVariant() {
	api.DISABLED_VARIANT.Enabled, api.DISABLED_VARIANT.FeatureEnabled = false, false
}

// The table holds for the client's answers, which are an error where it does
// not.
func TestDecisions(t *testing.T) {
	s := offline(t, "", unleash.Options{Strategies: []string{"vowels"}, AllowRandom: true}, uc.WithStrategies(vowels{}))
	for _, c := range decisions {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(mendDisabledVariant)
			s.load(t, c.toggles)
			names := []string{"control", "red"}
			if strings.Contains(c.want, "blue") {
				names = append(names, "blue")
			}
			require.Equal(t, c.want, outcomes(t, s, names...))
		})
	}
}

func TestDecisionsUnderOptions(t *testing.T) {
	boolean, outside := unleash.Options{Boolean: true}, unleash.Options{UnselectedOutside: true}
	foreign := unleash.Options{Context: func(_ core.Request, c ucontext.Context) ucontext.Context { return c }}
	off, byAlice := `{"name":"x","enabled":false}`, enabled(share100(only("alice"), variants("red=1", "")))
	for _, c := range []struct {
		name, toggle string
		opts         unleash.Options
		names        string // of the experiment
		want         string
	}{
		{"any of several variants for all", enabled(), unleash.Options{}, "control red blue", "conditional: any"},
		{"one of several variants for all", enabled(share100(variants("red=1", ""))), unleash.Options{}, "control red blue", "on: red"},

		{"boolean, several variants for all", enabled(share100(variants(mixed, ""))), boolean, "control red", "on: any"},
		{"boolean, one variant for half", enabled(share50(variants("red=1", ""))), boolean, "control red", "conditional: any control"},
		{"boolean, control for all", enabled(share100(variants("control=1", ""))), boolean, "control red", "on: any"},
		{"boolean, variants that the experiment lacks", enabled(share100(variants("green=1", ""))), boolean, "control red", "on: any"},
		{"boolean, off", off, boolean, "control red", "off: control"},

		{"outside", byAlice, outside, "control red", "conditional: outside red"},
		{"off is off, outside or not", off, outside, "control red", "off: control"},

		// Nobody knows then whether the fields are set.
		{"the app's context, by session", enabled(share("100", "sessionId")), foreign, "control red", "conditional: any"},
		{"the app's context, by default", enabled(share100()), foreign, "control red", "on: any"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, outcomes(t, offline(t, c.toggle, c.opts), strings.Fields(c.names)...))
		})
	}
	t.Run("it is alice who is selected", func(t *testing.T) {
		s := offline(t, byAlice, outside)
		require.Equal(t, "conditional red", gets(t, s, "x", "alice", "control", "red"))
		d, err := ask(t, s, "x", "bob", "control", "red")
		require.NoError(t, err)
		require.Equal(t, core.Decision{State: core.Conditional, Outside: true, Reason: "no strategy matched"}, d)
	})
}

// The same for toggles that nobody thought of.
func TestDecisionsHoldForAnyToggle(t *testing.T) {
	realserver.RequireLong(t, "over toggles at random")
	s := offline(t, "", unleash.Options{Strategies: []string{"vowels"}, AllowRandom: true}, uc.WithStrategies(vowels{}))
	t.Cleanup(mendDisabledVariant)
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, label) }
		anyStrategy := func() string {
			percent := pick("percent", "0", "0.5", "1", "37", "99", "100")
			parameters := fmt.Sprintf("rollout=%s percentage=%s stickiness=%s userIds=alice IPs=::1 hostNames=h %s",
				percent, percent, pick("stickiness", "default", "random", "userId", "company"), pick("group", "groupId=g", ""))
			return strategy(pick("strategy", "default", "flexibleRollout", "gradualRolloutUserId", "gradualRolloutSessionId",
				"gradualRolloutRandom", "userWithId", "remoteAddress", "applicationHostname", "vowels", "moon"), parameters,
				variants(pick("variants", "", "red=1", "red=1 blue=0", mixed, weightless, "disabled=1", "control=1"), pick("seed", "", "random", "company")),
				pick("constraint", `"constraints":null`, only("alice"), constraint("userId", "REGEX", "a"), constraint("userId", "NUM_GT", "1")))
		}
		anyToggle := func(name string) string {
			var list []string
			for range rapid.IntRange(0, 3).Draw(rt, "strategies") {
				list = append(list, anyStrategy())
			}
			return fmt.Sprintf(`{"name":%q,"enabled":%s,"strategies":[%s],%s`, name, pick("enabled", "true", "true", "true", "false"),
				strings.Join(list, ","), variants(pick("legacy", "", "", "red=1", mixed, weightless), ""))
		}
		toggles := anyToggle("x") + pick("dependency", "", `,"dependencies":[{"feature":"p"}]`, `,"dependencies":[{"feature":"p","enabled":false}]`,
			`,"dependencies":[{"feature":"p","variants":["red"]}]`) + "}," + anyToggle("p") + "}"
		rt.Log(toggles)
		s.load(t, toggles)
		state, seen, _ := strings.Cut(outcomes(rt, s, "control", "red", "blue"), ": ")
		switch state {
		case "off":
			require.Equal(rt, "control", seen)
		case "on":
			require.NotContains(rt, seen, "control")
			require.NotContains(rt, seen, " ", "one for all")
		}
	})
}
