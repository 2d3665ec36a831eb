package core_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestSourcesPrintAsTheWordsOfTheDecisionOrder(t *testing.T) {
	words := []string{"", "opted-out", "no-unit", "off", "error", "manual", "forced", "stored", "unassigned", "excluded", "outside", "segmented", "resolved"}
	for i, word := range words {
		require.Equal(t, word, core.Source(i).String())
		text, err := json.Marshal(core.Source(i))
		require.NoError(t, err)
		require.Equal(t, `"`+word+`"`, string(text))
		var back core.Source
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, core.Source(i), back)
	}
	require.Equal(t, core.SourceResolved, core.Source(len(words)-1))
	require.Equal(t, "Source(99)", core.Source(99).String())
	var s core.Source
	require.ErrorContains(t, s.UnmarshalText([]byte("nowhere")), `"nowhere" is no source`)
}

func TestStates(t *testing.T) {
	for state, word := range map[core.State]string{core.Off: "off", core.Conditional: "conditional", core.On: "on"} {
		require.Equal(t, word, state.String())
		require.Equal(t, state != core.Off, state.Enabled())
		text, err := state.MarshalText()
		require.NoError(t, err)
		var back core.State
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, state, back)
	}
	require.Equal(t, "State(7)", core.State(7).String())
	var s core.State
	require.ErrorContains(t, s.UnmarshalText([]byte("maybe")), "off, conditional and on")
	require.Zero(t, s, "the zero State is Off")
}

func TestCapabilitiesAreListedOnce(t *testing.T) {
	seen := map[core.Capability]bool{}
	for _, c := range core.Capabilities() {
		require.False(t, seen[c])
		seen[c] = true
	}
	require.Len(t, seen, 9)
}
