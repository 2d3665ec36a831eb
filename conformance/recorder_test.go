package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A recorder is a tester that fails nobody.
type recorder struct {
	t       *testing.T
	only    string // runs this subtest alone, as -run does; empty runs all
	failed  bool
	errors  []string
	logs    []string
	skipped string
	subs    map[string]*recorder
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.failed = true
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}
func (r *recorder) Logf(format string, args ...any) {
	r.logs = append(r.logs, fmt.Sprintf(format, args...))
}
func (r *recorder) Skipf(format string, args ...any) { r.skipped = fmt.Sprintf(format, args...) }
func (r *recorder) Failed() bool                     { return r.failed }
func (r *recorder) hooks() *testing.T                { return r.t }

func (r *recorder) Run(name string, f func(tester)) bool {
	if r.only != "" && r.only != name {
		return true
	}
	sub := &recorder{t: r.t}
	f(sub)
	if r.subs == nil {
		r.subs = map[string]*recorder{}
	}
	r.subs[name] = sub
	r.failed = r.failed || sub.failed
	return !sub.failed
}

// text returns everything that went wrong, for messages.
func (r *recorder) text() string {
	text := strings.Join(r.errors, "\n")
	for law, sub := range r.subs {
		if sub.failed {
			text += "\n" + law + ": " + sub.text()
		}
	}
	return text
}

// record runs a suite, or some laws of it, with a recorder and without a golden
// report.
func record[S any](t *testing.T, s suite[S], laws ...string) (*recorder, Report) {
	t.Helper()
	if laws != nil {
		s.laws = slices.DeleteFunc(slices.Clone(s.laws), func(l law[S]) bool { return !slices.Contains(laws, l.id) })
	}
	rec := &recorder{t: t}
	return rec, s.run(rec, options{dir: t.TempDir(), limit: time.Minute})
}

// A mutant is an implementation that breaks one law.
type mutant[S any] struct {
	law, how string
	suite    func(t *testing.T) suite[S]
	waits    bool // for so long that only a clock of its own will do
}

// catch fails the test unless each law catches its mutants.
func catch[S any](t *testing.T, laws []law[S], mutants []mutant[S]) {
	caught := map[string]bool{}
	for _, m := range mutants {
		i := slices.IndexFunc(laws, func(l law[S]) bool { return l.id == m.law })
		require.GreaterOrEqual(t, i, 0, "there is no law %s", m.law)
		t.Run(m.law+"/"+strings.ReplaceAll(m.how, " ", "-"), func(t *testing.T) {
			run := func(t *testing.T) {
				rec, report := record(t, m.suite(t), m.law)
				require.Equal(t, []Result{{Law: m.law, Status: Failed}}, report.Laws)
				said := rec.subs[m.law].text()
				require.Contains(t, said, laws[i].sentence)
				t.Log(said)
			}
			if !m.waits {
				run(t)
				return
			}
			synctest.Test(t, func(t *testing.T) {
				run(t)
				time.Sleep(1000 * time.Hour) // until nobody waits any more
			})
		})
		caught[m.law] = true
	}
	for _, l := range laws {
		require.True(t, caught[l.id], "law %s has no mutant", l.id)
	}
}
