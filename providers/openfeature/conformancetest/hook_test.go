package conformancetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// An app that evaluates flagd's flags by itself, with a hook at its client.
func TestHookOverFlagd(t *testing.T) {
	running := conformance.Flag{Experiment: "pill_color", State: core.Conditional, Weights: map[string]int{"control": 50, "red": 50}}
	s := newFlagd(t, running)
	events := &tracking.Recorder{}
	experiments, err := core.New(core.Config{KeySecret: make([]byte, 32), Tracker: events})
	require.NoError(t, err)
	s.client.AddHooks(openfeature.NewHook(experiments, openfeature.OnlyFlags("pill_color")))
	evaluate := func(flag, unit string) (string, []core.Event) {
		return s.client.String(t.Context(), flag, "grey", user(unit)), events.Take()
	}

	seen := map[string]bool{}
	for i := range 50 {
		color, events := evaluate("pill_color", string(rune('a'+i)))
		require.Len(t, events, 1)
		require.Equal(t, color, events[0].Variant)
		require.Equal(t, core.Conditional, events[0].State)
		seen[color] = true
	}
	require.Equal(t, map[string]bool{"control": true, "red": true}, seen, "flagd's unselected are tracked controls")

	_, got := evaluate("missing", "ann")
	require.Empty(t, got, "an error")
	running.State = core.Off
	s.set(running)
	color, got := evaluate("pill_color", "ann")
	require.Equal(t, "grey", color)
	require.Empty(t, got, "off")
	s.set(conformance.Flag{Experiment: "pill_color", State: core.Conditional, Weights: map[string]int{"control": 100}, Targets: map[string]string{"ann": "red"}})
	_, got = evaluate("pill_color", "ann")
	require.Len(t, got, 1, "a rule matched")
	color, got = evaluate("pill_color", "bob")
	require.Equal(t, "control", color)
	require.Empty(t, got, "no rule did")
}
