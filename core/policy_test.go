package core_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// TestPolicy holds every combination of entries under a unit's keys against
// testdata/policy.txt: what is served, by which keys events may be joined, and
// what is stored afterwards.
func TestPolicy(t *testing.T) {
	for _, s := range readPolicy(t) {
		t.Run(s.title, func(t *testing.T) {
			t.Parallel()
			used := map[*policyRow]bool{}
			for _, stored := range combinations(s.entries) {
				for _, ask := range s.asks {
					row := s.row(stored, ask)
					require.NotNil(t, row, "no row for %v %v", stored, ask)
					used[row] = true
					want, got := row.expect(s, stored), s.try(t, stored, ask)
					require.Equal(t, want, got, "stored %v, cookie %v, rollout %v", stored, ask.cookie, ask.rollout)
				}
			}
			require.Len(t, used, len(s.rows), "a row that nothing reaches")
		})
	}
}

// A policySection is a table of testdata/policy.txt.
type policySection struct {
	title   string
	keys    []string   // their names, newest first
	entries [][]string // that there are under each
	asks    []policyAsk
	rows    []*policyRow
}

type policyAsk struct{ cookie, rollout string }

type policyRow struct {
	stored []string
	policyAsk
	policyOutcome
}

// A policyOutcome is what a trial comes to, in the words of the file.
type policyOutcome struct {
	served    string
	after     []string
	cookie    string // afterwards
	conflicts []string
}

func readPolicy(t *testing.T) (sections []*policySection) {
	text, err := os.ReadFile("testdata/policy.txt")
	require.NoError(t, err)
	for _, part := range strings.Split(string(text), "\n== ")[1:] {
		lines := strings.Split(strings.TrimSpace(part), "\n")
		s := &policySection{title: lines[0]}
		for _, column := range strings.Fields(lines[1])[1:] {
			s.entries = append(s.entries, strings.Split(column, ","))
		}
		n := len(s.entries)
		s.keys = strings.Fields(lines[2])[:n]
		for _, line := range lines[3:] {
			before, after, _ := strings.Cut(line, "|")
			before, served, _ := strings.Cut(before, "=>")
			l, r := strings.Fields(before), strings.Fields(after)
			require.Len(t, append(l, r...), 2*n+3, line)
			row := &policyRow{l[:n], policyAsk{l[n], l[n+1]}, policyOutcome{served: strings.TrimSpace(served), after: r[:n], cookie: r[n]}}
			s.rows = append(s.rows, row)
			if !slices.Contains(s.asks, row.policyAsk) {
				s.asks = append(s.asks, row.policyAsk)
			}
		}
		sections = append(sections, s)
	}
	return sections
}

func combinations(columns [][]string) [][]string {
	all := [][]string{nil}
	for _, column := range columns {
		var longer [][]string
		for _, c := range all {
			for _, kind := range column {
				longer = append(longer, append(slices.Clone(c), kind))
			}
		}
		all = longer
	}
	return all
}

func (s *policySection) row(stored []string, ask policyAsk) *policyRow {
	for _, row := range s.rows {
		if row.policyAsk == ask && row.matches(stored) {
			return row
		}
	}
	return nil
}

func (r *policyRow) matches(stored []string) bool {
	for i, cell := range r.stored {
		if cell != "*" && !(cell == "+" && stored[i] != ".") && !slices.Contains(strings.Split(cell, ","), stored[i]) {
			return false
		}
	}
	return true
}

// expect spells out what the row says of what is stored.
func (r *policyRow) expect(s *policySection, stored []string) policyOutcome {
	at := func(key string) string { return stored[slices.Index(s.keys, key)] }
	want := policyOutcome{served: r.served, cookie: r.policyOutcome.cookie, conflicts: conflicting(s.keys, stored)}
	if key, is := strings.CutPrefix(r.served, "as "); is {
		want.served = map[string]string{
			"red": "red stored/resolved", "blue": "blue stored/manual", "excl": "control excluded/excluded untracked",
		}[at(key)]
		if want.served == "" {
			want.served = "control stored/resolved"
		}
	}
	for i, cell := range r.after {
		if key, is := strings.CutPrefix(cell, "<"); is {
			cell = at(key)
		} else if cell == "=" {
			cell = stored[i]
		}
		want.after = append(want.after, cell)
	}
	return want
}

// conflicting names the older keys that are no migration keys: those that held
// another variant than the newest entry, open controls excepted.
func conflicting(keys, stored []string) (names []string) {
	current := slices.IndexFunc(stored, func(kind string) bool { return kind != "." })
	for i := range stored {
		if i > 0 && current >= 0 && stored[i] != "." {
			e := policyEntry(stored[i], "01234567")
			if e.Variant != policyEntry(stored[current], "").Variant && e.Open == "" {
				names = append(names, keys[i])
			}
		}
	}
	return names
}

// try runs one trial over what is stored.
func (s *policySection) try(t *testing.T, stored []string, ask policyAsk) policyOutcome {
	newest, previous := core.KeyMaker(secret, "pill_color"), core.KeyMaker(secrets[1], "pill_color")
	units := map[string]core.Unit{"cur": core.Actor("account"), "older": core.Actor("before"), "vis": core.Actor("visitor")}
	keys := make([]string, len(s.keys))
	for i, name := range s.keys {
		identity, secret, _ := strings.Cut(name, "/")
		keys[i] = map[string]func(core.Unit) string{"new": newest, "old": previous}[secret](units[identity])
	}
	oldest := keys[len(keys)-1]
	u := units["cur"]
	if strings.HasPrefix(s.keys[0], "vis") {
		u = core.Actor("")
	}
	if slices.Contains(s.keys, "older/new") {
		u = u.MigratedFrom(units["older"])
	}
	l := newLab(t, all(unit(u), func(c *core.Config, d *definition) {
		d.Retired = []string{"mauve"}
		if slices.ContainsFunc(s.keys, func(name string) bool { return strings.HasSuffix(name, "/old") }) {
			c.PreviousSecrets = secrets[1:2]
		}
	}))
	for i, kind := range stored {
		if kind != "." {
			require.NoError(t, l.store.Store.Save(ctx, "pill_color", keys[i], policyEntry(kind, oldest)))
		}
	}

	b, at := &browser{}, ctx
	switch ask.cookie {
	case "-":
	case "none":
		at = b.page()
		b.made["pill_color"] = core.Visitor{ID: "visitor", Fresh: true}
	default:
		b.cookies = map[string]core.Visitor{"pill_color": {ID: "visitor", Entry: policyEntry(ask.cookie, oldest), Unit: newest(units["vis"])[:16]}}
		at = b.page()
	}
	rollout, manual, _ := strings.Cut(ask.rollout, "+")
	l.flag.set(core.Conditional, rollout)
	trial := l.exp.For(nobody)
	if manual != "" {
		trial.AssignTo(manual)
	}
	a := trial.Assign(at)
	require.Equal(t, a.Source == core.SourceError, a.Err != nil)
	require.Equal(t, keys[0], a.Key)
	require.Equal(t, oldest, l.flag.last.Key)

	got := policyOutcome{served: served(a), cookie: ask.cookie}
	for i, key := range keys {
		if i > 0 && !slices.Contains(a.MigrationKeys, key) {
			got.conflicts = append(got.conflicts, s.keys[i])
		}
		got.after = append(got.after, policyKind(l.stored(core.Assignment{Experiment: "pill_color", Key: key}), oldest))
	}
	require.EqualValues(t, len(got.conflicts), l.client.Stats().KeyConflicts)
	if ask.cookie != "-" {
		got.cookie = "none"
		if v, ok := b.cookies["pill_color"]; ok {
			got.cookie = policyKind(v.Entry, oldest)
		}
	}
	return got
}

var policyKinds = []string{"red", "red<", "blue", "ctl", "open", "opx", "excl", "ret"}

// policyEntry returns the entry that the file calls kind.
func policyEntry(kind, oldest string) core.Entry {
	e := core.Entry{Variant: core.Control, Origin: core.SourceResolved}
	switch kind {
	case "red":
		e.Variant = "red"
	case "red<":
		e.Variant, e.Previous = "red", core.Control
	case "blue":
		e.Variant, e.Origin = "blue", core.SourceManual
	case "open":
		e.Open = oldest[:min(len(oldest), 8)]
	case "opx":
		e.Open = "01234567"
	case "excl":
		e.Origin = core.SourceExcluded
	case "ret":
		e.Variant = "mauve"
	}
	return e
}

func policyKind(e core.Entry, oldest string) string {
	if e == (core.Entry{}) {
		return "."
	}
	for _, kind := range policyKinds {
		if policyEntry(kind, oldest) == e {
			return kind
		}
	}
	return fmt.Sprintf("%+v", e)
}
