package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/internal/golden"
)

func TestOutput(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	golden.Compare(t, "output.txt", out.String())
}
