package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorded returns what go test writes. Each event is action, test, output.
func recorded(t *testing.T, events ...[3]string) *strings.Reader {
	var text strings.Builder
	for _, e := range events {
		require.NoError(t, json.NewEncoder(&text).Encode(map[string]string{
			"Action": e[0], "Package": "github.com/rolloutkit/rolloutkit/p", "Test": e[1], "Output": e[2]}))
	}
	return strings.NewReader(text.String())
}

func printed(s *summary) (ok bool, text string) {
	var out strings.Builder
	ok = s.print(&out)
	return ok, out.String()
}

func TestSummary(t *testing.T) {
	s := newSummary()
	s.read(recorded(t,
		[3]string{"output", "TestGood", "noise\n"},
		[3]string{"pass", "TestGood"},
		[3]string{"output", "TestRedis", "    redis_test.go:9: real server redis: not asked for\n"},
		[3]string{"skip", "TestRedis"},
		[3]string{"output", "TestConforms/a", "    run.go:93: A flag can. not supported: targets: it has none\n"},
		[3]string{"skip", "TestConforms/a"},
		[3]string{"output", "TestConforms/b", "    run.go:93: Another can. not supported: targets: it has none\n"},
		[3]string{"skip", "TestConforms/b"},
		[3]string{"pass", ""},
	))
	s.read(recorded(t,
		[3]string{"output", "TestRedis", "real server: ran redis 7.0.15 at 127.0.0.1:7000\n"},
		[3]string{"output", "TestRedis", "real server: ran redis 7.0.15 at 127.0.0.1:7001\n"},
		[3]string{"pass", "TestRedis"},
		[3]string{"output", "TestRelay", "=== RUN   TestRelay\n"},
		[3]string{"output", "TestRelay", "real server: skipped relay: no relay\n"},
		[3]string{"output", "TestRelay", "    relay_test.go:9: no relay\n"},
		[3]string{"output", "TestRelay", "--- SKIP: TestRelay (0.00s)\n"},
		[3]string{"skip", "TestRelay"},
	))
	ok, text := printed(s)
	require.True(t, ok)
	require.Equal(t, `
== laws opted out of: 1
targets: it has none (laws: 2)

== SKIPPED: 1
p TestRelay: relay_test.go:9: no relay

== real servers: 2
NOT AGAINST relay: no relay (times: 1)
ran against redis 7.0.15 (times: 2)

== FAILED: 0

tests with their subtests, each once:
2 passed, 0 failed, 1 skipped
`, text)
}

func TestATestThatFailedOnceHasFailed(t *testing.T) {
	s := newSummary()
	s.read(recorded(t, [3]string{"pass", "TestGood"}, [3]string{"fail", "TestBad"}))
	s.read(recorded(t, [3]string{"pass", "TestBad"}))
	ok, text := printed(s)
	require.False(t, ok)
	require.Contains(t, text, "== FAILED: 1\np TestBad\n")
	require.Contains(t, text, "\n1 passed, 1 failed, 0 skipped\n")
}

func TestARunWithoutTestsFails(t *testing.T) {
	ok, text := printed(newSummary())
	require.False(t, ok)
	require.Contains(t, text, "no test was executed")
}

func TestAFaultFailsARunWhoseTestsPassed(t *testing.T) {
	s := newSummary()
	s.read(recorded(t, [3]string{"pass", "TestGood"}))
	s.read(strings.NewReader("no event\n"))
	ok, text := printed(s)
	require.False(t, ok)
	require.Contains(t, text, "== FAILED: 1\nevents of go test: ")
}
