package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// Matrix returns the reports as a table in Markdown: one row for each, one
// column per capability, how many laws passed, and below it the reason for
// every capability that is missing. Reports keep the order given; those of
// different suites get a table each. The text ends with a newline, and is empty
// for no reports.
func Matrix(reports ...Report) string {
	var suites []string
	for _, r := range reports {
		if !slices.Contains(suites, r.Suite) {
			suites = append(suites, r.Suite)
		}
	}
	tables := make([]string, 0, len(suites))
	for _, suite := range suites {
		tables = append(tables, table(suite, slices.DeleteFunc(slices.Clone(reports), func(r Report) bool { return r.Suite != suite })))
	}
	return strings.Join(tables, "\n")
}

func table(suite string, reports []Report) string {
	var capabilities []core.Capability
	for _, r := range reports {
		for _, a := range r.Capabilities {
			if !slices.Contains(capabilities, a.Capability) {
				capabilities = append(capabilities, a.Capability)
			}
		}
	}
	var b, reasons strings.Builder
	fmt.Fprintf(&b, "| %s |", suite)
	for _, c := range capabilities {
		fmt.Fprintf(&b, " %s |", c)
	}
	b.WriteString(" laws |\n|---|" + strings.Repeat(":-:|", len(capabilities)) + "--:|\n")
	for _, r := range reports {
		fmt.Fprintf(&b, "| %s |", r.Name)
		for _, c := range capabilities {
			mark := " "
			if i := slices.IndexFunc(r.Capabilities, func(a Ability) bool { return a.Capability == c }); i >= 0 {
				if a := r.Capabilities[i]; a.Supported {
					mark = "✓"
				} else {
					mark = "–"
					fmt.Fprintf(&reasons, "- %s, %s: %s\n", r.Name, c, oneLine(a.Reason))
				}
			}
			fmt.Fprintf(&b, " %s |", mark)
		}
		passed := 0
		for _, res := range r.Laws {
			if res.Status == Passed {
				passed++
			}
		}
		fmt.Fprintf(&b, " %d of %d |\n", passed, len(r.Laws))
		if r.Remote != "" {
			fmt.Fprintf(&reasons, "- %s, evaluates remotely: %s\n", r.Name, oneLine(r.Remote))
		}
	}
	if reasons.Len() > 0 {
		b.WriteString("\n" + reasons.String())
	}
	return b.String()
}

// oneLine keeps a reason from ending the list that it stands in.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
