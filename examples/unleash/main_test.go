package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/internal/golden"
	"github.com/rolloutkit/rolloutkit/internal/servers/unleashtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	unleashtest.Stop()
	os.Exit(code)
}

// TestBootstrap needs no server. The README shows what it prints.
func TestBootstrap(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	golden.Compare(t, "bootstrap.txt", out.String())
}

func TestArguments(t *testing.T) {
	for args, text := range map[string]string{
		"-watch":  "-watch needs -url",
		"shop":    `unexpected argument "shop"`,
		"-url %x": "invalid URL",
	} {
		t.Run(args, func(t *testing.T) {
			require.ErrorContains(t, run(t.Context(), strings.Fields(args), &bytes.Buffer{}), text)
		})
	}
}

// TestServer creates the toggles as the README says, and changes one while the
// program watches.
func TestServer(t *testing.T) {
	server := unleashtest.Shared(t)
	toggles, err := exec.Command("./toggles.sh", strings.TrimSuffix(server.URL, "/"), unleashtest.AdminToken).CombinedOutput()
	require.NoError(t, err, "%s", toggles)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out screen
	ended := make(chan error)
	go func() {
		ended <- run(ctx, []string{"-url", server.URL, "-token", unleashtest.ClientToken, "-watch"}, &out)
	}()
	shows := func(line string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(out.String(), line) }, time.Minute, 10*time.Millisecond)
	}
	want, err := os.ReadFile("testdata/bootstrap.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(want)) {
		shows(line)
	}
	server.Enable(t, "shop_confetti", true)
	shows("changed: shop_confetti")
	shows("shop_confetti            on           candidate 1000\n")
	cancel()
	require.NoError(t, <-ended)
}

// A screen is written to and read at the same time.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
