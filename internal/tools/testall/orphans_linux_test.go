package main

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAProcessThatLeftItsParentAndSessionIsNamedAndEnded(t *testing.T) {
	adoptOrphans()
	require.NoError(t, exec.Command("sh", "-c", "setsid sleep 601 >/dev/null 2>&1 &").Run())
	require.Equal(t, []string{"sleep 601"}, endOrphans(time.Second))
	require.Empty(t, endOrphans(time.Minute))
}
