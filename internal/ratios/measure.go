package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

const module = "github.com/rolloutkit/rolloutkit"

// A measure is what one round says of a benchmark.
type measure struct{ ns, bytes, allocs float64 }

// benchmarkLine matches a name, without the number of processors that go test
// adds, and the figures.
var benchmarkLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.* ns/op.*)$`)

// readBenchmarks returns the rounds of each benchmark, by names such as
// core.Assign/percent.
func readBenchmarks(in io.Reader) (map[string][]measure, error) {
	rounds := map[string][]measure{}
	pkg := ""
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if path, is := strings.CutPrefix(lines.Text(), "pkg: "); is {
			pkg = strings.TrimPrefix(path, module+"/")
		}
		match := benchmarkLine.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		var m measure
		figures := strings.Fields(match[2])
		for i := 0; i+1 < len(figures); i += 2 {
			value, err := strconv.ParseFloat(figures[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", lines.Text(), err)
			}
			switch figures[i+1] {
			case "ns/op":
				m.ns = value
			case "B/op":
				m.bytes = value
			case "allocs/op":
				m.allocs = value
			}
		}
		name := pkg + "." + match[1]
		rounds[name] = append(rounds[name], m)
	}
	return rounds, lines.Err()
}

// A goal says that one benchmark takes at most so many times as long as another.
type goal struct {
	a, b string
	most float64
}

var goalLine = regexp.MustCompile(`^(\S+) / (\S+) <= ([0-9.]+)$`)

// readGoals reads the goals that a package sets.
func readGoals(pkg, text string) ([]goal, error) {
	qualified := func(name string) string {
		if strings.Contains(name, ".") {
			return name
		}
		return pkg + "." + name
	}
	var goals []goal
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		match := goalLine.FindStringSubmatch(line)
		if match == nil {
			return nil, fmt.Errorf("%q is no goal; one looks like: Assign / Key <= 1.6", line)
		}
		most, err := strconv.ParseFloat(match[3], 64)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		goals = append(goals, goal{qualified(match[1]), qualified(match[2]), most})
	}
	return goals, nil
}

func printMedians(out io.Writer, rounds map[string][]measure) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "ns/op\tB/op\tallocs/op\trounds\t  benchmark\n")
	for _, name := range slices.Sorted(maps.Keys(rounds)) {
		ms := rounds[name]
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%d\t  %s\n",
			strconv.FormatFloat(median(ms, func(m measure) float64 { return m.ns }), 'f', 1, 64),
			median(ms, func(m measure) float64 { return m.bytes }),
			median(ms, func(m measure) float64 { return m.allocs }), len(ms), name)
	}
	w.Flush()
}

// printRatios reports whether a goal is missed or was not measured.
func printRatios(out io.Writer, rounds map[string][]measure, goals []goal) (missed bool) {
	if len(goals) == 0 {
		return false
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "ratio\tleast\tmost\tgoal\t\t  of\n")
	for _, g := range goals {
		ratios := g.ratios(rounds)
		if len(ratios) == 0 {
			missed = true
			fmt.Fprintf(w, "-\t-\t-\t%.2f\tNOT RUN\t  %s / %s\n", g.most, g.a, g.b)
			continue
		}
		verdict := "met"
		middle := median(ratios, func(r float64) float64 { return r })
		if middle > g.most {
			missed, verdict = true, "MISSED"
		}
		fmt.Fprintf(w, "%.2f\t%.2f\t%.2f\t%.2f\t%s\t  %s / %s\n",
			middle, slices.Min(ratios), slices.Max(ratios), g.most, verdict, g.a, g.b)
	}
	w.Flush()
	return missed
}

// ratios returns the ratio in each round that measured both.
func (g goal) ratios(rounds map[string][]measure) []float64 {
	a, b := rounds[g.a], rounds[g.b]
	var ratios []float64
	for i := range min(len(a), len(b)) {
		ratios = append(ratios, a[i].ns/b[i].ns)
	}
	return ratios
}

// median returns the middle of a figure of all values; of an even number, the
// mean of the middle two; of none, NaN.
func median[T any](values []T, figure func(T) float64) float64 {
	var sorted []float64
	for _, v := range values {
		sorted = append(sorted, figure(v))
	}
	slices.Sort(sorted)
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
