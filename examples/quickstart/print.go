package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// suspicious is the p-value below which chance is no good explanation. It is
// small, since the test is asked often (Fabijan and others, Diagnosing Sample
// Ratio Mismatch in Online Controlled Experiments, KDD 2019).
const suspicious = 0.0005

// printSplit shows the units that the weights placed: each variant's share as a
// bar, with a mark where the weights want it to end, and whether chance explains
// the difference, by Pearson's chi-square test.
func printSplit(out io.Writer, r round, weights percent.Weights) {
	all, per := r.count(core.SourceResolved)
	share := func(name string) float64 { return float64(per[name]) / float64(max(all, 1)) }
	longest, fewest, statistic := 0., math.Inf(1), 0.
	for _, name := range variants {
		intended := weights[name] / 100
		longest = max(longest, intended, share(name))
		expected := intended * float64(all)
		fewest = min(fewest, expected)
		off := float64(per[name]) - expected
		statistic += off * off / expected
	}
	fmt.Fprintf(out, "   %-9s %9s %8s %10s\n", "", "units", "share", "intended |")
	for _, name := range variants {
		fmt.Fprintf(out, "   %-9s %9s %6.1f %% %6.1f %%   %s\n", name, thousands(per[name]),
			100*share(name), weights[name], bar(share(name)/longest, weights[name]/100/longest))
	}
	fmt.Fprintf(out, "   %-9s %9s   ", "resolved", thousands(all))
	switch p := chance(statistic); {
	case fewest < 5: // which is too few for the test (Cochran, Biometrics 10, 1954)
		fmt.Fprintf(out, "too few units to test the split\n")
	case p < suspicious:
		fmt.Fprintf(out, "p = %.2g (χ² = %.1f, 3 degrees): NOT as intended\n", p, statistic)
	default:
		fmt.Fprintf(out, "p = %.3f (χ² = %.2f, 3 degrees): as intended\n", p, statistic)
	}
}

// chance returns the probability that a chi-square variable with three degrees
// of freedom is x or more: formula 26.4.4 of Abramowitz and Stegun.
func chance(x float64) float64 {
	h := x / 2
	return math.Erfc(math.Sqrt(h)) + 2*math.Sqrt(h/math.Pi)*math.Exp(-h)
}

// bar draws a bar up to share, and a mark at intended, of a whole width.
func bar(share, intended float64) string {
	const width = 34
	n, mark := int(math.Round(share*width)), int(math.Round(intended*width))
	cells := []rune(strings.Repeat("█", n) + strings.Repeat(" ", max(0, mark-n)+1))
	cells[mark] = '|'
	return strings.TrimRight(string(cells), " ")
}

// printRest tells of the units that no weights placed, and so no test counts.
func printRest(out io.Writer, r round) {
	row := func(name string, n int, why string) {
		fmt.Fprintf(out, "   %-9s %9s   %s\n", name, thousands(n), why)
	}
	count := func(origin core.Source) int { n, _ := r.count(origin); return n }
	fmt.Fprintln(out)
	row("excluded", count(core.SourceExcluded), "existing customers, who see grey and are not tracked")
	row("segmented", count(core.SourceSegmented), "old accounts, who all see blue")
	row("forced", count(core.SourceForced), "colleagues, who see what they asked for")
	if failed := count(""); failed > 0 {
		row("failed", failed, "see grey and are not tracked")
	}
	row("events", r.events, "one for each tracked visit")
}

// printMoves shows which variant the resolved units had and have, and tells of
// anybody else who moved.
func printMoves(out io.Writer, before, after round) {
	table := map[[2]string]int{}
	moved, wrong := 0, 0
	for unit, was := range before.units {
		is := after.units[unit]
		if was.Origin == core.SourceResolved {
			table[[2]string{was.Variant, is.Variant}]++
		}
		if was.Variant != is.Variant {
			moved++
			if was.Variant != core.Control || was.Origin != core.SourceResolved {
				wrong++
			}
		}
	}
	fmt.Fprintf(out, "   %-9s", "from \\ to")
	for _, name := range variants {
		fmt.Fprintf(out, " %9s", name)
	}
	for _, from := range variants {
		fmt.Fprintf(out, "\n   %-9s", from)
		for _, to := range variants {
			fmt.Fprintf(out, " %9s", thousands(table[[2]string{from, to}]))
		}
	}
	switch {
	case moved == 0:
		fmt.Fprintf(out, "\n\n   Nobody moved.\n")
	case moved == 1 && wrong == 0:
		fmt.Fprintf(out, "\n\n   1 unit moved, from control.\n")
	case wrong == 0:
		fmt.Fprintf(out, "\n\n   %s units moved, all of them from control.\n", thousands(moved))
	default:
		fmt.Fprintf(out, "\n\n   %s units moved, and %s of them were NOT resolved to control.\n", thousands(moved), thousands(wrong))
	}
}

// thousands writes n with commas: 10,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
