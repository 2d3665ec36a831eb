package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// golden compares with a file in testdata, which ROLLOUTKIT_UPDATE=1 rewrites.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if os.Getenv("ROLLOUTKIT_UPDATE") == "1" {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestVisits(t *testing.T) {
	var with, without, failed strings.Builder
	require.Zero(t, run(t.Context(), nil, &with, &failed))
	require.Zero(t, run(t.Context(), []string{"-hook=false"}, &without, &failed))
	require.Empty(t, failed.String())
	golden(t, "visits.txt", with.String())

	// But for the events and their count, the hook changes nothing.
	events := regexp.MustCompile(`\[.*?\] |\n.* events, .*`)
	require.Equal(t, events.ReplaceAllString(without.String(), ""), events.ReplaceAllString(with.String(), ""))
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"-addr", "127.0.0.1:0"}, in, io.Discard) }()
	line := make([]byte, 100)
	n, err := out.Read(line)
	require.NoError(t, err)
	base := strings.TrimPrefix(strings.TrimSpace(string(line[:n])), "serving at ")
	go func() { _, _ = io.Copy(io.Discard, out) }()

	response, err := http.Get(base + "/?user=ada")
	require.NoError(t, err)
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, "a grey button, sale: true", string(answer))
	cancel()
	select {
	case got := <-code:
		require.Zero(t, got)
	case <-time.After(30 * time.Second):
		t.Fatal("the service does not end")
	}
}

func TestArguments(t *testing.T) {
	for code, args := range map[int][]string{
		0: {"-h"},
		1: {"-addr", "nowhere"},
		2: {"-color", "red"},
	} {
		var failed strings.Builder
		require.Equal(t, code, run(t.Context(), args, io.Discard, &failed), args)
		require.NotEmpty(t, failed.String())
	}
}

// The service itself imports nothing of ours.
func TestTheServiceKnowsNoExperiments(t *testing.T) {
	for _, file := range []string{"shop.go", "flags.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(text), "rolloutkit")
	}
}
