package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/stretchr/testify/require"
)

func Example() {
	if err := run(os.Stdout, "flags.json"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// shop_pill_color  conditional: ada control, grace red, barbara red, margaret control
	// shop_checkout  conditional: ada candidate, grace control, barbara control, margaret candidate
	// shop_banner  on: ada wide, grace wide, barbara wide, margaret wide
	// shop_search  off: ada control (not counted), grace control (not counted), barbara control (not counted), margaret control (not counted)
	// shop_delivery  launchdarkly: experiment shop_delivery: flag "shop_delivery": its rollout goes by contexts of kind "user", and the unit's is "experiment-unit": see Options.Kind and Kinds
	// shop_help  launchdarkly: experiment shop_help: flag "shop_help": FLAG_NOT_FOUND: flag not found: unknown feature key: shop_help. Verify that this feature key exists. Returning default value
}

func TestFaultyFiles(t *testing.T) {
	require.ErrorIs(t, run(io.Discard, "nowhere.json"), ld.ErrInitializationFailed)

	path := filepath.Join(t.TempDir(), "flags.json")
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	require.ErrorContains(t, run(io.Discard, path), path)
}
