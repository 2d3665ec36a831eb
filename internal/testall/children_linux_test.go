package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A server that detached itself from its parent and session is found and ended.
func TestEndDescendants(t *testing.T) {
	adoptOrphans()
	was := moment
	t.Cleanup(func() { moment = was })
	moment = time.Millisecond
	require.NoError(t, exec.Command("sh", "-c", "setsid sleep 601 >/dev/null 2>&1 &").Run())
	isSleeping := func() bool {
		pids := descendants()
		return len(pids) == 1 && strings.HasPrefix(commandLine(pids[0]), "sleep 601 ")
	}
	require.Eventually(t, isSleeping, 10*time.Second, 10*time.Millisecond)
	left := endDescendants()
	require.Len(t, left, 1)
	require.Contains(t, left[0], "sleep 601 ")
	moment = was
	require.Empty(t, endDescendants())
}
