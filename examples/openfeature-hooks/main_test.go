package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/internal/golden"
)

func TestVisits(t *testing.T) {
	var with, without strings.Builder
	require.NoError(t, run(t.Context(), "", true, &with))
	require.NoError(t, run(t.Context(), "", false, &without))
	golden.Compare(t, "visits.txt", with.String())

	// But for the events and their count, the hook changes nothing.
	events := regexp.MustCompile(`\[.*?\] |\n.* events, .*`)
	require.Equal(t, events.ReplaceAllString(without.String(), ""), events.ReplaceAllString(with.String(), ""))
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", true, in) }()
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, lines) }()

	response, err := http.Get(strings.TrimPrefix(strings.TrimSpace(line), "serving at ") + "/?user=ada")
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "a grey button, sale: true", string(answer))
	cancel()
	require.NoError(t, <-ended)
	require.Error(t, run(t.Context(), "nowhere", true, io.Discard))
}

// The service itself imports nothing of ours.
func TestTheServiceKnowsNoExperiments(t *testing.T) {
	for _, file := range []string{"shop.go", "flags.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(text), "rolloutkit")
	}
}
