package conformancetest

import (
	"context"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// An app that evaluates flagd's flags by itself, with a hook at its client.
func TestHookOverFlagd(t *testing.T) {
	running := conformance.Flag{Experiment: "pill_color", State: core.Conditional, Weights: map[string]int{"control": 50, "red": 50}}
	s := newFlagd(t, running)
	var events []core.Event
	experiments, err := core.New(core.Config{KeySecret: make([]byte, 32), Tracker: core.TrackerFunc(func(_ context.Context, e core.Event) error {
		events = append(events, e)
		return nil
	})})
	require.NoError(t, err)
	s.client.AddHooks(openfeature.NewHook(experiments, openfeature.OnlyFlags("pill_color")))
	evaluate := func(flag, unit string) (string, []core.Event) {
		events = nil
		color := s.client.String(t.Context(), flag, "grey", of.NewEvaluationContext(unit, nil))
		return color, events
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

	_, events = evaluate("missing", "ann")
	require.Empty(t, events, "an error")
	running.State = core.Off
	s.set(running)
	color, events := evaluate("pill_color", "ann")
	require.Equal(t, "grey", color)
	require.Empty(t, events, "off")
	s.set(conformance.Flag{Experiment: "pill_color", State: core.Conditional, Weights: map[string]int{"control": 100}, Targets: map[string]string{"ann": "red"}})
	_, events = evaluate("pill_color", "ann")
	require.Len(t, events, 1, "a rule matched")
	color, events = evaluate("pill_color", "bob")
	require.Equal(t, "control", color)
	require.Empty(t, events, "no rule did")
}
