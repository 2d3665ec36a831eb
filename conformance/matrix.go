package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// Matrix returns the reports as a table in Markdown: one row for each, one
// column per capability, how many laws passed, and below it the reasons for
// what is missing, each once. Reports keep the order given; those of
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
	// Why something is missing, and for whom, in the order in which it came up.
	var reasons []string
	names := make(map[string][]string)
	missing := func(reason, name string) {
		reason = strings.Join(strings.Fields(reason), " ") // a line break would end the list
		if names[reason] == nil {
			reasons = append(reasons, reason)
		}
		names[reason] = append(names[reason], name)
	}
	var b strings.Builder
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
					missing(string(c)+": "+a.Reason, r.Name)
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
			missing("evaluates remotely: "+r.Remote, r.Name)
		}
	}
	if len(reasons) > 0 {
		b.WriteString("\n")
	}
	for _, reason := range reasons {
		fmt.Fprintf(&b, "- %s (%s)\n", reason, strings.Join(names[reason], ", "))
	}
	return b.String()
}
