package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
)

// A summary gathers the events of several runs of `go test -json`; see `go doc
// test2json`. Its maps are from lines to how often they came.
type summary struct {
	passed, failed map[string]bool   // tests, by package and name
	skipped        map[string]string // the reasons
	optedOut       map[string]int    // by the reasons, the laws that an implementation can't keep
	servers        map[string]int
	faults         []string // what else makes the run fail
}

func newSummary() *summary {
	return &summary{map[string]bool{}, map[string]bool{}, map[string]string{}, map[string]int{}, map[string]int{}, nil}
}

func (s *summary) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// read takes the events of one run.
func (s *summary) read(in io.Reader) {
	output := map[string]string{} // of tests under way
	for events := json.NewDecoder(in); ; {
		var e struct{ Action, Package, Test, Output string }
		switch err := events.Decode(&e); {
		case err == io.EOF:
			return
		case err != nil:
			s.fault("events of go test: %v", err)
			return
		}
		s.server(e.Output)
		if e.Test == "" {
			continue
		}
		test := strings.TrimPrefix(e.Package, "github.com/rolloutkit/rolloutkit/") + " " + e.Test
		switch e.Action {
		case "output":
			output[test] += e.Output
		case "pass":
			s.passed[test] = true
		case "fail":
			s.failed[test] = true
		case "skip":
			s.skipped[test] = reason(output[test])
		}
	}
}

// server notes what a line of output says of a real server.
func (s *summary) server(line string) {
	if server, is := strings.CutPrefix(line, realserver.RanPrefix); is {
		server, _, _ = strings.Cut(server, " at ") // each has another address
		s.servers["ran against "+server]++
	} else if server, is := strings.CutPrefix(line, realserver.SkippedPrefix); is {
		s.servers["NOT AGAINST "+strings.TrimSpace(server)]++
	}
}

// reason finds why a test was skipped in what it printed.
func reason(output string) string {
	lines := slices.Collect(strings.Lines(output))
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "=== ") || strings.HasPrefix(strings.TrimSpace(line), "--- ") ||
			strings.HasPrefix(line, realserver.SkippedPrefix)
	})
	return strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
}

// print says what it all came to, and reports success. A test that one run
// skipped and another ran is not skipped, and one that failed once has failed.
func (s *summary) print(out io.Writer) bool {
	maps.DeleteFunc(s.passed, func(test string, _ bool) bool { return s.failed[test] })
	var skipped, laws, servers []string
	for test, why := range s.skipped {
		if s.passed[test] || s.failed[test] {
			continue
		}
		// There are many opt-outs of the conformance suite, which the committed
		// reports repeat. The list of skipped tests is for what someone should
		// look into.
		if _, optOut, is := strings.Cut(why, " not supported: "); is {
			s.optedOut[optOut]++
			continue
		}
		skipped = append(skipped, test+": "+why)
	}
	for why, n := range s.optedOut {
		laws = append(laws, fmt.Sprintf("%s (laws: %d)", why, n))
	}
	for server, n := range s.servers {
		servers = append(servers, fmt.Sprintf("%s (times: %d)", server, n))
	}
	if len(s.passed)+len(s.failed) == 0 {
		s.fault("no test was executed")
	}
	section(out, "laws opted out of", laws)
	section(out, "SKIPPED", skipped)
	section(out, "real servers", servers)
	section(out, "FAILED", append(slices.Collect(maps.Keys(s.failed)), s.faults...))
	fmt.Fprintf(out, "\ntests with their subtests, each once:\n%d passed, %d failed, %d skipped\n",
		len(s.passed), len(s.failed), len(skipped))
	return len(s.failed)+len(s.faults) == 0
}

// section prints lines, sorted, below a title.
func section(out io.Writer, title string, lines []string) {
	slices.Sort(lines)
	fmt.Fprintf(out, "\n== %s: %d\n", title, len(lines))
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
}
