package unleash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/unleashtest"
)

// recording is what a real server told its clients of the toggles below.
var recording = filepath.Join("testdata", "unleash-server-8.2.0.json")

// A sample is a toggle that the real server creates, and what it means.
type sample struct {
	toggle unleashtest.Toggle
	traits []core.Attr
	state  core.State
	alice  string         // what she gets: "*" for selected without a variant
	shares map[string]int // in percent, of all other units
}

func samples(segment int) []sample {
	control, red, blue := core.Control, "red", "blue"
	half := map[string]int{control: 50, core.AnyVariant: 50}
	only := func(variant string) map[string]int { return map[string]int{variant: 100} }
	weighted := unleashtest.Weighted
	forUser := func(s unleashtest.Strategy, names ...string) unleashtest.Strategy {
		s.Constraints = append(s.Constraints, unleashtest.Constraint{Field: "userId", Operator: "IN", Values: names})
		return s
	}
	toggle := func(name string, strategies ...unleashtest.Strategy) unleashtest.Toggle {
		return unleashtest.Toggle{Name: name, Strategies: strategies}
	}
	sticky := func(field string) unleashtest.Strategy {
		s := unleashtest.Gradual("sticky", 100)
		s.Parameters["stickiness"] = field
		return s
	}
	byPlan := unleashtest.Gradual("plan", 100, weighted(red, 1000))
	byPlan.Constraints = []unleashtest.Constraint{{Field: "plan", Operator: "IN", Values: []string{"gold"}}}
	inSegment := unleashtest.Gradual("segment", 100)
	inSegment.Segments = []int{segment}
	off := toggle("off", unleashtest.Gradual("off", 100))
	off.Disabled = true
	childOf := func(name string, p unleashtest.Parent) unleashtest.Toggle {
		t := toggle(name, unleashtest.Strategy{Name: "default"})
		t.Parents = []unleashtest.Parent{p}
		return t
	}
	gold, silver := []core.Attr{core.String("plan", "gold")}, []core.Attr{core.String("plan", "silver")}

	return []sample{
		{off, nil, core.Off, control, only(control)},
		{toggle("zero", unleashtest.Gradual("zero", 0)), nil, core.Off, control, only(control)},
		{toggle("only-control", unleashtest.Gradual("only-control", 100, weighted(control, 1000))), nil, core.Off, control, only(control)},
		{toggle("regex", unleashtest.Strategy{Name: "default", Constraints: []unleashtest.Constraint{
			{Field: "userId", Operator: "REGEX", Value: "^a"}}}), nil, core.Off, control, only(control)},
		{toggle("all"), nil, core.On, "*", only("*")},
		{toggle("default", unleashtest.Strategy{Name: "default"}), nil, core.On, "*", only("*")},
		{toggle("one-variant", unleashtest.Gradual("one-variant", 100, weighted(red, 1000))), nil, core.On, red, only(red)},
		{toggle("sticky-session", sticky("sessionId")), nil, core.On, "*", only("*")},
		{toggle("sticky-company", sticky("company")), nil, core.Conditional, control, only(control)},
		{toggle("half", unleashtest.Gradual("half", 50)), nil, core.Conditional, "", half},
		{toggle("half-variants", unleashtest.Gradual("half-variants", 50, weighted(control, 500), weighted(red, 500))),
			nil, core.Conditional, "", map[string]int{control: 75, red: 25}},
		{toggle("three-variants", unleashtest.Gradual("three-variants", 100, weighted(control, 334), weighted(red, 333), weighted(blue, 333))),
			nil, core.Conditional, "", map[string]int{control: 34, red: 33, blue: 33}},
		{toggle("uneven", unleashtest.Gradual("uneven", 80, weighted(red, 250), weighted(blue, 750))),
			nil, core.Conditional, "", map[string]int{control: 20, red: 20, blue: 60}},
		{toggle("users", forUser(unleashtest.Gradual("users", 100, weighted(red, 1000)), "alice", "bob")), nil, core.Conditional, red, only(control)},
		{toggle("plan", byPlan), gold, core.Conditional, red, only(red)},
		{toggle("plan", byPlan), silver, core.Conditional, control, only(control)},
		{toggle("alice-then-all", forUser(unleashtest.Gradual("a", 100, weighted(red, 1000)), "alice"), unleashtest.Gradual("b", 100)),
			nil, core.Conditional, red, only("*")},
		{toggle("segment", inSegment), nil, core.Conditional, "*", only(control)},
		{childOf("child-of-half", unleashtest.Parent{Feature: "half", Enabled: true}), nil, core.Conditional, "", half},
		{childOf("child-of-off", unleashtest.Parent{Feature: "off", Enabled: true}), nil, core.Off, control, only(control)},
		{childOf("child-of-off-wanted", unleashtest.Parent{Feature: "off", Enabled: false}), nil, core.On, "*", only("*")},
		{childOf("child-of-red", unleashtest.Parent{Feature: "three-variants", Enabled: true, Variants: []string{red}}),
			nil, core.Conditional, "", map[string]int{control: 67, "*": 33}},
	}
}

// TestRecordedToggles tells off, unselected and selected apart for toggles as a
// real server sends them.
func TestRecordedToggles(t *testing.T) {
	text, err := os.ReadFile(recording)
	require.NoError(t, err)
	var answer struct{ Features, Segments json.RawMessage }
	require.NoError(t, json.Unmarshal(text, &answer))
	r, f := over(t, "[]", nil)
	f.set(t, string(answer.Features), string(answer.Segments))
	eventually(t, func() bool { _, err := ask(r, "all", "alice"); return err == nil })
	for _, s := range samples(1) {
		t.Run(s.toggle.Name, func(t *testing.T) { s.require(t, r) })
	}
}

// TestRealToggles creates the toggles in the real server, holds the rollout over
// a client of it against the same table, and the recording against what the
// server sends.
func TestRealToggles(t *testing.T) {
	server := unleashtest.Shared(t)
	segment := server.Segment(t, fmt.Sprint("alices ", time.Now().UnixNano()), unleashtest.Constraint{Field: "userId", Operator: "STR_STARTS_WITH", Values: []string{"alice"}})
	all := samples(segment)
	r := overReal(t, server, nil)
	for _, s := range all {
		server.Put(t, s.toggle)
	}
	for _, s := range all {
		sees(t, r, s.toggle)
	}
	for _, s := range all {
		t.Run(s.toggle.Name, func(t *testing.T) { s.require(t, r) })
	}
	if segment != 1 {
		t.Logf("not compared with the recording, which has segment 1: this is number %d, as with -count", segment)
		return
	}
	got := record(t, server.Features(t), all)
	if os.Getenv("ROLLOUTKIT_UPDATE") != "" {
		require.NoError(t, os.WriteFile(recording, got, 0o644))
	}
	want, err := os.ReadFile(recording)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "ROLLOUTKIT_UPDATE=1 records anew")
}

// record returns the part of what the server sends that the samples are, in a
// fixed order.
func record(t *testing.T, sent []byte, all []sample) []byte {
	var answer struct {
		Version  int              `json:"version"`
		Features []map[string]any `json:"features"`
		Segments []map[string]any `json:"segments"`
	}
	require.NoError(t, json.Unmarshal(sent, &answer))
	name := func(f map[string]any) string { return f["name"].(string) }
	answer.Features = slices.DeleteFunc(answer.Features, func(f map[string]any) bool {
		return !slices.ContainsFunc(all, func(s sample) bool { return s.toggle.Name == name(f) })
	})
	slices.SortFunc(answer.Features, func(a, b map[string]any) int { return bytes.Compare([]byte(name(a)), []byte(name(b))) })
	for _, segment := range answer.Segments {
		delete(segment, "name") // made up at every run
	}
	text, err := json.MarshalIndent(answer, "", "  ")
	require.NoError(t, err)
	return append(text, '\n')
}

// require holds the decisions of many units against the sample.
func (s sample) require(t *testing.T, r *Rollout) {
	const units = 2000
	get := func(key string) string {
		d, err := r.Resolve(t.Context(), core.Request{Experiment: s.toggle.Name, Key: key,
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
