// Command testall is what `make test` runs. It tests the modules named by its
// arguments twice: once plainly, which is what `go test ./...` does, and once
// under the race detector and against real servers. It prints what `go test`
// prints of packages, the whole output of what failed, and at the end which
// servers the tests ran against and which tests were skipped, with the reasons.
//
// Nothing stays behind: on Linux a process that a test started and forgot is
// named and ended, also after Ctrl-C.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// A pass is one way to run all tests.
type pass struct {
	name string
	args []string
	real string // ROLLOUTKIT_REAL
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok := run(ctx, os.Args[1:])
	stop()
	if !ok {
		os.Exit(1)
	}
}

// run tests the modules in the given directories and reports success.
func run(ctx context.Context, modules []string) bool {
	if len(modules) == 0 {
		fmt.Fprintln(os.Stderr, "usage: testall DIRECTORY... (of modules)")
		return false
	}
	real := cmp.Or(os.Getenv("ROLLOUTKIT_REAL"), "1")
	passes := []pass{
		{"plain", nil, ""},
		// What a server does is nothing that go test's cache knows of.
		{"race detector, real servers", []string{"-race", "-count=1"}, real},
	}
	adoptOrphans()
	start := time.Now()
	r := newReport(os.Stdout)
	for _, p := range passes {
		for _, dir := range modules {
			if ctx.Err() != nil {
				break
			}
			fmt.Printf("== %s: %s\n", dir, p.name)
			if err := goTest(ctx, dir, p, r); err != nil {
				r.fault("go test in %s (%s): %v", dir, p.name, err)
			}
		}
	}
	if ctx.Err() != nil {
		r.fault("interrupted")
	}
	for _, name := range endDescendants() {
		r.fault("left running by a test: %s", name)
	}
	return r.summary(time.Since(start))
}

// goTest runs `go test` in dir and feeds what it says to r. The error is that
// of go test, which fails when a test does.
func goTest(ctx context.Context, dir string, p pass, r *report) error {
	// Only what hangs shall end: on a busy machine the tests with real Redis
	// servers come close to the ten minutes that are go test's own limit.
	args := append([]string{"test", "-json", "-timeout=30m"}, p.args...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./...")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ROLLOUTKIT_REAL="+p.real)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second // tests get this long to stop their servers
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.read(out)
	return cmd.Wait()
}
