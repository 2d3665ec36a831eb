package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recorded writes events as go test does. Each is action, test, output.
func recorded(t *testing.T, events ...[3]string) *strings.Reader {
	var b strings.Builder
	for _, e := range events {
		line, err := json.Marshal(event{Action: e[0], Package: "p", Test: e[1], Output: e[2]})
		require.NoError(t, err)
		b.Write(line)
		b.WriteByte('\n')
	}
	return strings.NewReader(b.String())
}

func TestReport(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	r.read(recorded(t,
		[3]string{"output", "TestGood", "noise\n"},
		[3]string{"pass", "TestGood", ""},
		[3]string{"output", "TestRedis", "    redis_test.go:9: real server redis: not asked for\n"},
		[3]string{"skip", "TestRedis", ""},
		[3]string{"output", "TestRelay", "=== RUN   TestRelay\n"},
		[3]string{"output", "TestRelay", "    relay_test.go:9: no relay\n"},
		[3]string{"output", "TestRelay", "--- SKIP: TestRelay (0.00s)\n"},
		[3]string{"skip", "TestRelay", ""},
		[3]string{"output", "TestConforms/targets", "    run.go:93: A flag can. not supported: targets: it has none\n"},
		[3]string{"skip", "TestConforms/targets", ""},
		[3]string{"output", "TestConforms/targets-control", "    run.go:93: Another can. not supported: targets: it has none\n"},
		[3]string{"skip", "TestConforms/targets-control", ""},
		[3]string{"output", "", "ok  \tp\t0.1s\n"},
		[3]string{"pass", "", ""},
	))
	r.read(recorded(t,
		[3]string{"output", "TestRedis", "real server: ran redis 7.0.15 at 127.0.0.1:7000\n"},
		[3]string{"output", "TestRedis", "real server: ran redis 7.0.15 at 127.0.0.1:7001\n"},
		[3]string{"pass", "TestRedis", ""},
		[3]string{"output", "TestRelay", "real server: skipped relay: no relay\n"},
		[3]string{"output", "TestRelay", "    relay_test.go:9: no relay\n"},
		[3]string{"skip", "TestRelay", ""},
		[3]string{"output", "TestConforms/targets", "    run.go:93: A flag can. not supported: targets: it has none\n"},
		[3]string{"skip", "TestConforms/targets", ""},
		[3]string{"pass", "", ""},
	))
	require.True(t, r.summary(time.Second))
	require.Equal(t, `not supported: TestConforms: targets: it has none
ok  	p	0.1s

== SKIPPED
p TestRelay: relay_test.go:9: no relay

== real servers
NOT AGAINST relay: no relay
ran against redis 7.0.15, started 2 times

packages: 1, time: 1s, laws opted out of: 2, tests with their subtests:
2 passed, 0 failed, 1 skipped
`, out.String())
}

// What failed is shown whole, and so is what a dying package was running; what
// passed is not.
func TestReportOfFailures(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	r.read(recorded(t,
		[3]string{"output", "TestGood", "noise\n"},
		[3]string{"pass", "TestGood", ""},
		[3]string{"output", "TestBad", "expected 1\n"},
		[3]string{"fail", "TestBad", ""},
		[3]string{"output", "TestHung", "stack\n"},
		[3]string{"output", "", "FAIL\tp\t0.1s\n"},
		[3]string{"fail", "", ""},
	))
	r.read(strings.NewReader("go: no such module\n"))
	r.read(recorded(t, [3]string{"pass", "TestBad", ""})) // the second run is luckier
	r.fault("go test in .: %s", "exit status 1")
	require.False(t, r.summary(time.Second))
	require.Equal(t, `expected 1
stack
FAIL	p	0.1s
go: no such module

== real servers
none: no test asked for one

== FAILED
go test in .: exit status 1
p TestBad

packages: 1, time: 1s, laws opted out of: 0, tests with their subtests:
1 passed, 1 failed, 0 skipped
`, out.String())
}

func TestReportOfNothing(t *testing.T) {
	var out strings.Builder
	require.False(t, newReport(&out).summary(0))
	require.Contains(t, out.String(), "no test was executed")
}
