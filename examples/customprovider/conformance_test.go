package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
)

// region conformance

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Name: "flagfile",
		New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
			flags := new(FlagFile)
			set := func(f conformance.Flag) { load(t, flags, f) }
			set(f)
			return flags, set
		},
		NotReady: func(*testing.T) core.Rollout { return new(FlagFile) },
	})
}

// endregion

// load puts f alone into the file.
func load(t *testing.T, flags *FlagFile, f conformance.Flag) {
	file := map[string]any{}
	if !f.Missing {
		file[f.Experiment] = map[string]any{"enabled": !f.Disabled(), "weights": f.Weights, "targets": f.Targets}
	}
	text, err := json.Marshal(file)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "flags.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	require.NoError(t, flags.Load(path))
}
