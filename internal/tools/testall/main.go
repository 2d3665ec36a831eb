// Command testall is what `make test` runs. It has gotestsum test the modules
// named by its arguments twice: once plainly, which is what `go test ./...`
// does, and once under the race detector and against real servers. At its end it
// says which servers the tests ran against and which tests were skipped, with
// the reasons.
//
// PACKAGES narrows what is tested in each module. On Linux a process that a test
// started and forgot is named and ended.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// onServers is ROLLOUTKIT_REAL where tests are to run on real servers.
var onServers = cmp.Or(os.Getenv("ROLLOUTKIT_REAL"), "1")

// passes are the ways to run tests.
var passes = []struct {
	name  string
	args  []string
	asked string // ROLLOUTKIT_REAL
}{
	{"plain", nil, ""},
	// What a server does is nothing that go test's cache knows of.
	{"race detector, real servers", []string{"-race", "-count=1"}, onServers},
	// The race detector allocates too.
	{"allocations, real servers", []string{"-count=1", "-run=^TestAllocations"}, onServers},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	sum := newSummary()
	adoptOrphans()
	for _, pass := range passes {
		for _, module := range os.Args[1:] {
			if ctx.Err() != nil {
				break
			}
			fmt.Printf("== %s: %s\n", module, pass.name)
			if err := test(ctx, module, pass.asked, pass.args, sum); err != nil {
				sum.fault("%s, %s: %v", module, pass.name, err)
			}
		}
	}
	if ctx.Err() != nil {
		sum.fault("interrupted")
	}
	for _, name := range endOrphans(20 * time.Second) {
		sum.fault("left running by a test: %s", name)
	}
	stop()
	if !sum.print(os.Stdout) {
		os.Exit(1)
	}
}

// test runs the tests of a module and adds them to sum. It fails when one does.
func test(ctx context.Context, module, asked string, args []string, sum *summary) error {
	tools, err := filepath.Abs("internal/tools/pinned/go.mod")
	if err != nil {
		return err
	}
	gotestsum, err := exec.Command("go", "tool", "-modfile="+tools, "-n", "gotestsum").Output()
	if err != nil {
		return fmt.Errorf("gotestsum: %w", err)
	}
	events, err := os.CreateTemp("", "rolloutkit-*.json")
	if err != nil {
		return err
	}
	defer os.Remove(events.Name())
	defer events.Close()
	// Only what hangs shall end: on a busy machine the tests with real Redis
	// servers come close to the ten minutes that are go test's own limit.
	args = append([]string{"--format=standard-quiet", "--hide-summary=skipped", "--jsonfile=" + events.Name(), "--", "-timeout=30m"}, args...)
	args = append(args, strings.Fields(cmp.Or(os.Getenv("PACKAGES"), "./..."))...)
	cmd := exec.CommandContext(ctx, strings.TrimSpace(string(gotestsum)), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = module, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "ROLLOUTKIT_REAL="+asked)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second // tests get this long to stop their servers
	err = cmd.Run()
	sum.read(events)
	return err
}
