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
	var b strings.Builder
	var reasons reasons
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
					reasons.add(string(c)+": "+a.Reason, r.Name)
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
			reasons.add("evaluates remotely: "+r.Remote, r.Name)
		}
	}
	if len(reasons.texts) > 0 {
		b.WriteString("\n")
	}
	for _, text := range reasons.texts {
		fmt.Fprintf(&b, "- %s (%s)\n", text, strings.Join(reasons.of[text], ", "))
	}
	return b.String()
}

// reasons are why something is missing, each with those it holds for, in the
// order in which they came up.
type reasons struct {
	texts []string
	of    map[string][]string
}

func (r *reasons) add(text, name string) {
	text = oneLine(text)
	if r.of == nil {
		r.of = make(map[string][]string)
	}
	if r.of[text] == nil {
		r.texts = append(r.texts, text)
	}
	r.of[text] = append(r.of[text], name)
}

// oneLine keeps a reason from ending the list that it stands in.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
