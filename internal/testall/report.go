package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rolloutkit/rolloutkit/internal/realserver"
)

// An event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action, Package, Test, Output string
}

// A testName is a test, or with an empty Test what a package prints beside its
// tests.
type testName struct{ Package, Test string }

// A report gathers what several runs of `go test -json` say.
type report struct {
	out            io.Writer
	output         map[testName]*strings.Builder // of what has not passed
	passed, failed map[testName]bool
	skipped        map[testName]string // the reasons
	optedOut       map[testName]bool   // laws that an implementation can't keep
	reasons        map[testName]bool   // the suites with the reasons, as printed
	packages       map[string]bool
	ran, missing   map[string]bool // real servers
	faults         []string
}

func newReport(out io.Writer) *report {
	return &report{
		out:      out,
		output:   map[testName]*strings.Builder{},
		passed:   map[testName]bool{},
		failed:   map[testName]bool{},
		skipped:  map[testName]string{},
		optedOut: map[testName]bool{},
		reasons:  map[testName]bool{},
		packages: map[string]bool{},
		ran:      map[string]bool{},
		missing:  map[string]bool{},
	}
}

// fault notes something that makes the whole run fail.
func (r *report) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// read takes the events of one run, until it ends. What is no event, as a
// complaint of the go command, is printed as it is.
func (r *report) read(in io.Reader) {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				r.add(e)
			} else {
				fmt.Fprintf(r.out, "%s\n", line)
			}
		}
		if err != nil {
			return
		}
	}
}

func (r *report) add(e event) {
	name := testName{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.print(name, e.Output)
	case "pass":
		if e.Test == "" {
			r.packages[e.Package] = true
		} else {
			r.passed[name] = true
		}
		delete(r.output, name)
	case "skip":
		if e.Test != "" {
			r.skip(name, reason(r.output[name]))
		}
		delete(r.output, name)
	case "fail":
		if e.Test != "" {
			r.failed[name] = true
			return
		}
		r.packages[e.Package] = true
		r.printPackage(e.Package)
	}
}

// print keeps a piece of output until it is known whether it is worth showing.
// The line that go test closes a package with is shown at once.
func (r *report) print(name testName, text string) {
	if server, ok := strings.CutPrefix(text, realserver.RanPrefix); ok {
		r.ran[strings.TrimSpace(server)] = true
	}
	if server, ok := strings.CutPrefix(text, realserver.SkippedPrefix); ok {
		r.missing[strings.TrimSpace(server)] = true
	}
	if name.Test == "" && strings.HasPrefix(text, "ok  \t") {
		fmt.Fprint(r.out, text)
		return
	}
	if r.output[name] == nil {
		r.output[name] = new(strings.Builder)
	}
	r.output[name].WriteString(text)
}

// skip notes that a test was skipped. The opt-outs of the conformance suite are
// printed at once, each reason once: there are many, the committed reports repeat
// them, and the end of the run is for what someone should look into.
func (r *report) skip(name testName, reason string) {
	_, why, is := strings.Cut(reason, " not supported: ")
	if !is {
		r.skipped[name] = reason
		return
	}
	r.optedOut[name] = true
	suite := testName{name.Package, path.Dir(name.Test) + ": " + why}
	if !r.reasons[suite] {
		fmt.Fprintln(r.out, "not supported:", suite.Test)
	}
	r.reasons[suite] = true
}

// printPackage prints what a failed package said: the tests that failed or were
// running when it died, then the rest.
func (r *report) printPackage(pkg string) {
	names := slices.SortedFunc(maps.Keys(r.output), func(a, b testName) int {
		return strings.Compare(a.Test, b.Test)
	})
	var rest string
	for _, name := range names {
		if name.Package != pkg {
			continue
		}
		if name.Test == "" {
			rest = r.output[name].String()
		} else {
			fmt.Fprint(r.out, r.output[name].String())
		}
		delete(r.output, name)
	}
	fmt.Fprint(r.out, rest)
}

// reason finds why a test was skipped in what it printed.
func reason(output *strings.Builder) string {
	if output == nil {
		return ""
	}
	var reasons []string
	for line := range strings.Lines(output.String()) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") &&
			!strings.HasPrefix(line, realserver.SkippedPrefix) {
			reasons = append(reasons, line)
		}
	}
	return strings.Join(reasons, " ")
}

// summary prints what it all came to, and reports success. A test that one run
// skipped and another ran is not skipped, and one that failed once has failed.
func (r *report) summary(took time.Duration) bool {
	for name := range r.failed {
		delete(r.passed, name)
	}
	maps.DeleteFunc(r.skipped, func(name testName, _ string) bool { return r.passed[name] || r.failed[name] })
	if len(r.passed)+len(r.failed) == 0 {
		r.fault("no test was executed")
	}
	var skipped, failed []string
	for name, reason := range r.skipped {
		skipped = append(skipped, fmt.Sprintf("%s %s: %s", name.Package, name.Test, reason))
	}
	for name := range r.failed {
		failed = append(failed, name.Package+" "+name.Test)
	}
	r.section("SKIPPED", skipped)
	r.section("real servers", r.servers())
	r.section("FAILED", append(failed, r.faults...))
	fmt.Fprintf(r.out, "\npackages: %d, time: %v, laws opted out of: %d, tests with their subtests:\n%d passed, %d failed, %d skipped\n",
		len(r.packages), took.Round(time.Second), len(r.optedOut), len(r.passed), len(r.failed), len(r.skipped))
	return len(r.failed)+len(r.faults) == 0
}

// servers lists what the tests ran against, and what they could not.
func (r *report) servers() []string {
	count := map[string]int{} // by name and version
	for server := range r.ran {
		if i := strings.LastIndex(server, " at "); i >= 0 {
			server = server[:i]
		}
		count[server]++
	}
	var lines []string
	for server, n := range count {
		lines = append(lines, fmt.Sprintf("ran against %s, started %d times", server, n))
	}
	for server := range r.missing {
		lines = append(lines, "NOT AGAINST "+server)
	}
	if lines == nil {
		return []string{"none: no test asked for one"}
	}
	return lines
}

// section prints lines, sorted and without our own module's name, under a title.
// No lines, no section.
func (r *report) section(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	slices.Sort(lines)
	fmt.Fprintf(r.out, "\n== %s\n", title)
	for _, line := range lines {
		fmt.Fprintln(r.out, strings.TrimPrefix(line, "github.com/rolloutkit/rolloutkit/"))
	}
}
