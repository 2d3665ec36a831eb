// Package realserver is how a test says that it runs against a real server: a
// Redis, an Unleash, a relay. It decides whether such a test runs, skips or
// fails, and prints one line about each server that `make test` collects for
// its summary.
//
// Two variables of the environment decide:
//
//   - ROLLOUTKIT_REAL unset: nobody asked for real servers, and every such test
//     is skipped before it starts anything. So `go test ./...` is quick and
//     works offline.
//   - ROLLOUTKIT_REAL=1, as `make test` sets it: the tests run. Where a server
//     can't be had, its tests are skipped, which the summary says.
//   - ROLLOUTKIT_REAL=strict, or CI=true beside it: a server that can't be had
//     is a failure.
//
// A third, ROLLOUTKIT_LONG, asks for proofs that take long, see [RequireLong].
//
// A test begins with Require(t, name, nil), starts the server, passes the error
// of that to Require once more, and calls [Ran].
package realserver

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// The beginnings of the lines that tests print and `make test` reads.
const (
	RanPrefix     = "real server: ran "
	SkippedPrefix = "real server: skipped "
)

// Asked reports whether real servers are asked for. For TestMain and others
// who have no [testing.TB]; tests call [Require].
func Asked() bool { return os.Getenv("ROLLOUTKIT_REAL") != "" }

// Strict reports whether a server that can't be had is a failure.
func Strict() bool {
	return os.Getenv("ROLLOUTKIT_REAL") == "strict" || Asked() && os.Getenv("CI") == "true"
}

// Require returns if real servers are asked for and err is nil. Otherwise it
// skips the test, or fails it where [Strict] holds; err is the reason. It never
// fails a test if nobody asked. name is the server's, such as "redis cluster".
func Require(t testing.TB, name string, err error) {
	t.Helper()
	switch {
	case !Asked():
		t.Skipf("real server %s: not asked for; ROLLOUTKIT_REAL=1 asks, and `make test` does", name)
	case err == nil:
	case Strict():
		t.Fatalf("real server %s can't be had: %v", name, err)
	default:
		line(SkippedPrefix + name + ": " + err.Error())
		t.Skipf("real server %s can't be had: %v", name, err)
	}
}

// RequireLong skips a test that proves at length what others show in short,
// unless ROLLOUTKIT_LONG is set, as `make proofs` does. why is what makes it
// long.
func RequireLong(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("ROLLOUTKIT_LONG") == "" {
		t.Skipf("a long proof, %s: ROLLOUTKIT_LONG=1 asks for it, and `make proofs` does", why)
	}
}

// Ran prints that tests run against a server: its name, its version as the
// server itself tells it, and its address. Call it once per server started.
func Ran(name, version, addr string) {
	line(RanPrefix + name + " " + version + " at " + addr)
}

// out is standard output, but for the tests of this package.
var out io.Writer = os.Stdout

// line prints text as one line, whatever it contains. A line break comes first,
// because a test may have printed half a line before.
func line(text string) {
	fmt.Fprintln(out, "\n"+strings.Join(strings.Fields(text), " "))
}
