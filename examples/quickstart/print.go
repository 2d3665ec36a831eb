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

// A printer prints until an error, which it keeps.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}

// split shows the units that the weights placed: each variant's share as a bar,
// with a mark where the weights want it to end.
func (p *printer) split(r round, weights percent.Weights) {
	all, per := r.count(core.SourceResolved)
	longest := 0.
	var counts []int
	var shares []float64
	for _, name := range variants {
		counts = append(counts, per[name])
		shares = append(shares, weights[name]/100)
		longest = max(longest, weights[name]/100, float64(per[name])/float64(max(all, 1)))
	}
	p.printf("   %-9s %9s %8s %10s\n", "", "units", "share", "intended |")
	for i, name := range variants {
		share := float64(counts[i]) / float64(max(all, 1))
		p.printf("   %-9s %9s %6.1f %% %6.1f %%   %s\n", name, thousands(counts[i]),
			100*share, 100*shares[i], bar(share/longest, shares[i]/longest))
	}
	p.printf("   %-9s %9s   ", "resolved", thousands(all))
	statistic, freedom, probability, ok := sampleRatio(counts, shares)
	switch {
	case !ok:
		p.printf("too few units to test the split\n")
	case probability < suspicious:
		p.printf("p = %.2g (χ² = %.1f, %d degrees): NOT as intended\n", probability, statistic, freedom)
	default:
		p.printf("p = %.3f (χ² = %.2f, %d degrees): as intended\n", probability, statistic, freedom)
	}
}

// suspicious is the p-value below which chance is no good explanation. It is
// small, since the test is asked often (Fabijan and others, Diagnosing Sample
// Ratio Mismatch in Online Controlled Experiments, KDD 2019).
const suspicious = 0.0005

// width is that of the longest bar.
const width = 34

// bar draws a bar up to share, and a mark at intended, of a whole width.
func bar(share, intended float64) string {
	n, mark := int(math.Round(share*width)), int(math.Round(intended*width))
	cells := []rune(strings.Repeat("█", n) + strings.Repeat(" ", max(0, mark-n)+1))
	cells[mark] = '|'
	return strings.TrimRight(string(cells), " ")
}

// rest tells of the units that no weights placed, and so no test counts.
func (p *printer) rest(r round) {
	p.printf("\n")
	for _, row := range []struct {
		name   string
		origin core.Source
		why    string
	}{
		{"excluded", core.SourceExcluded, "existing customers, who see grey and are not tracked"},
		{"segmented", core.SourceSegmented, "old accounts, who all see blue"},
		{"forced", core.SourceForced, "colleagues, who see what they asked for"},
		{"failed", 0, "see grey and are not tracked"},
	} {
		if n, _ := r.count(row.origin); n > 0 || row.origin != 0 {
			p.printf("   %-9s %9s   %s\n", row.name, thousands(n), row.why)
		}
	}
	p.printf("   %-9s %9s   one for each tracked visit\n", "events", thousands(r.events))
}

// moves shows which variant the resolved units had and have, and tells of
// anybody else who moved.
func (p *printer) moves(before, after round) {
	table := map[string]map[string]int{}
	for _, name := range variants {
		table[name] = map[string]int{}
	}
	moved, wrong := 0, 0
	for unit, was := range before.units {
		is := after.units[unit]
		if was.Origin == core.SourceResolved {
			table[was.Variant][is.Variant]++
		}
		if was.Variant != is.Variant {
			moved++
			if was.Variant != core.Control || was.Origin != core.SourceResolved {
				wrong++
			}
		}
	}
	p.printf("   %-9s", "from \\ to")
	for _, name := range variants {
		p.printf(" %9s", name)
	}
	for _, from := range variants {
		p.printf("\n   %-9s", from)
		for _, to := range variants {
			p.printf(" %9s", thousands(table[from][to]))
		}
	}
	switch {
	case moved == 0:
		p.printf("\n\n   Nobody moved.\n")
	case moved == 1 && wrong == 0:
		p.printf("\n\n   1 unit moved, from control.\n")
	case wrong == 0:
		p.printf("\n\n   %s units moved, all of them from control.\n", thousands(moved))
	default:
		p.printf("\n\n   %s units moved, and %s of them were NOT resolved to control.\n", thousands(moved), thousands(wrong))
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
