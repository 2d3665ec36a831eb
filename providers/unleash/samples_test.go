package unleash_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/unleashtest"
)

// A sample is a toggle that the real server creates, and what it means.
type sample struct {
	toggle unleashtest.Toggle
	traits []core.Attr
	state  core.State
	alice  string         // what she gets: "*" for selected without a variant
	shares map[string]int // in percent, of all other units
}

func samples(segment int) []sample {
	control, red, blue, weighted := core.Control, "red", "blue", unleashtest.Weighted
	half := map[string]int{control: 50, core.AnyVariant: 50}
	all := func(variant string) map[string]int { return map[string]int{variant: 100} }
	toggle := func(name string, strategies ...unleashtest.Strategy) unleashtest.Toggle {
		return unleashtest.Toggle{Name: name, Strategies: strategies}
	}
	gradual := func(name string, percent int, variants ...unleashtest.Variant) unleashtest.Toggle {
		return toggle(name, unleashtest.Gradual(name, percent, variants...))
	}
	where := func(s unleashtest.Strategy, field, operator string, values ...string) unleashtest.Strategy {
		c := unleashtest.Constraint{Field: field, Operator: operator, Values: values}
		if operator == "REGEX" {
			c.Values, c.Value = nil, values[0]
		}
		s.Constraints = []unleashtest.Constraint{c}
		return s
	}
	sticky := func(field string) unleashtest.Strategy {
		s := unleashtest.Gradual("sticky", 100)
		s.Parameters["stickiness"] = field
		return s
	}
	off, inSegment := gradual("off", 100), gradual("segment", 100)
	off.Disabled = true
	inSegment.Strategies[0].Segments = []int{segment}
	childOf := func(name string, p unleashtest.Parent) unleashtest.Toggle {
		return unleashtest.Toggle{Name: name, Strategies: []unleashtest.Strategy{{Name: "default"}}, Parents: []unleashtest.Parent{p}}
	}
	byPlan := toggle("plan", where(unleashtest.Gradual("plan", 100, weighted(red, 1000)), "plan", "IN", "gold"))
	gold, silver := []core.Attr{core.String("plan", "gold")}, []core.Attr{core.String("plan", "silver")}

	return []sample{
		{off, nil, core.Off, control, all(control)},
		{gradual("zero", 0), nil, core.Off, control, all(control)},
		{gradual("only-control", 100, weighted(control, 1000)), nil, core.Off, control, all(control)},
		{toggle("regex", where(unleashtest.Strategy{Name: "default"}, "userId", "REGEX", "^a")), nil, core.Off, control, all(control)},
		{toggle("all"), nil, core.On, "*", all("*")},
		{toggle("default", unleashtest.Strategy{Name: "default"}), nil, core.On, "*", all("*")},
		{gradual("one-variant", 100, weighted(red, 1000)), nil, core.On, red, all(red)},
		{toggle("sticky-session", sticky("sessionId")), nil, core.On, "*", all("*")},
		{toggle("sticky-company", sticky("company")), nil, core.Conditional, control, all(control)},
		{gradual("half", 50), nil, core.Conditional, "", half},
		{gradual("half-variants", 50, weighted(control, 500), weighted(red, 500)), nil, core.Conditional, "", map[string]int{control: 75, red: 25}},
		{gradual("three-variants", 100, weighted(control, 334), weighted(red, 333), weighted(blue, 333)),
			nil, core.Conditional, "", map[string]int{control: 34, red: 33, blue: 33}},
		{gradual("uneven", 80, weighted(red, 250), weighted(blue, 750)), nil, core.Conditional, "", map[string]int{control: 20, red: 20, blue: 60}},
		{toggle("users", where(unleashtest.Gradual("users", 100, weighted(red, 1000)), "userId", "IN", "alice", "bob")), nil, core.Conditional, red, all(control)},
		{byPlan, gold, core.Conditional, red, all(red)},
		{byPlan, silver, core.Conditional, control, all(control)},
		{toggle("alice-then-all", where(unleashtest.Gradual("a", 100, weighted(red, 1000)), "userId", "IN", "alice"), unleashtest.Gradual("b", 100)),
			nil, core.Conditional, red, all("*")},
		{inSegment, nil, core.Conditional, "*", all(control)},
		{childOf("child-of-half", unleashtest.Parent{Feature: "half", Enabled: true}), nil, core.Conditional, "", half},
		{childOf("child-of-off", unleashtest.Parent{Feature: "off", Enabled: true}), nil, core.Off, control, all(control)},
		{childOf("child-of-off-wanted", unleashtest.Parent{Feature: "off", Enabled: false}), nil, core.On, "*", all("*")},
		{childOf("child-of-red", unleashtest.Parent{Feature: "three-variants", Enabled: true, Variants: []string{red}}),
			nil, core.Conditional, "", map[string]int{control: 67, "*": 33}},
	}
}

// Off, unselected and selected are told apart for toggles as a real server sends
// them.
func TestRealToggles(t *testing.T) {
	server := unleashtest.Shared(t)
	segment := server.Segment(t, fmt.Sprint("alices ", time.Now().UnixNano()), unleashtest.Constraint{Field: "userId", Operator: "STR_STARTS_WITH", Values: []string{"alice"}})
	all, s := samples(segment), overReal(t, server)
	for _, sample := range all {
		sample.toggle.Description = "sample"
		s.put(t, server, sample.toggle)
	}
	for _, sample := range all {
		t.Run(sample.toggle.Name, func(t *testing.T) { sample.require(t, s) })
	}
}

// require holds the decisions of many units against the sample.
func (s sample) require(t *testing.T, r core.Rollout) {
	const units = 2000
	get := func(key string) string {
		d, err := r.Resolve(ctx, core.Request{Experiment: s.toggle.Name, Key: key,
			Variants: []string{core.Control, "red", "blue"}[:2+min(1, s.shares["blue"])], Traits: s.traits})
		require.NoError(t, err)
		require.Equal(t, s.state, d.State)
		if d.Variant == "" {
			return core.Control
		}
		return d.Variant
	}
	if s.alice != "" {
		require.Equal(t, s.alice, get("alice"))
	}
	counts := map[string]int{}
	for i := range units {
		counts[get(fmt.Sprint("unit ", i))]++
	}
	for name, share := range s.shares {
		// 5 percent points are more than four standard deviations of 2,000 units.
		require.InDelta(t, share, 100*float64(counts[name])/units, 5, "%s: %v", name, counts)
		if share == 100 {
			require.Equal(t, units, counts[name], "%v", counts)
		}
	}
	require.Len(t, counts, len(s.shares), "%v", counts)
}
