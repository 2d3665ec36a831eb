package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func Example() {
	if err := run(os.Stdout, "flags.json"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ada sees a red pill
	// grace sees a grey pill
	// barbara sees a grey pill
	// margaret sees a blue pill
}

func TestFaultyFiles(t *testing.T) {
	require.ErrorIs(t, run(io.Discard, "nowhere.json"), os.ErrNotExist)

	path := filepath.Join(t.TempDir(), "flags.json")
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	require.ErrorContains(t, run(io.Discard, path), path)
}
