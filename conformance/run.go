package conformance

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// Run holds the rollout of h against every law, one subtest each, and returns
// the report. It compares the report with testdata/conformance-<h.Name>.json in
// the folder of the test, and fails if they differ. With ROLLOUTKIT_UPDATE=1 in
// the environment it rewrites that file instead; without the file it logs how
// to write it.
//
// A law fails if its check finds problems, panics or stands still. A law that
// needs a capability that h opts out of is skipped, and shows the reason. The
// suite has no false positives: what it reports is wrong. It may miss things,
// and races show under -race only.
func Run(t *testing.T, h Harness) Report {
	t.Helper()
	return run(realT{t}, h, Laws(), defaults())
}

// options are what the suites fix and their own tests vary.
type options struct {
	dir    string        // of golden reports
	update bool          // rewrite them
	limit  time.Duration // how long a check may stand still
}

func defaults() options {
	return options{dir: "testdata", update: os.Getenv(updateEnv) == "1", limit: patience}
}

// A tester is what the runner needs of testing, so that the suite's own tests
// can watch it fail.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Failed() bool
	Run(name string, f func(tester)) bool
	hooks() *testing.T // what the hooks of the harness get
}

type realT struct{ *testing.T }

func (t realT) Run(name string, f func(tester)) bool {
	return t.T.Run(name, func(t *testing.T) { f(realT{t}) })
}

func (t realT) hooks() *testing.T { return t.T }

func run(t tester, h Harness, laws []Law, o options) Report {
	t.Helper()
	report := newReport(suiteRollout, h.Name, core.Capabilities(), h.Unsupported)
	report.Remote = h.Remote
	clauses := make([]clause, len(laws))
	for i, l := range laws {
		clauses[i] = clause{l.ID, l.Sentence, l.Needs, func(t tester, w *watched) []string {
			return l.check(newSetup(t, w, &h, l))
		}}
	}
	report.run(t, o, h.problems(), clauses)
	return report
}

// A clause is one law of any suite, as the runner sees it.
type clause struct {
	id, sentence string
	needs        []core.Capability
	check        func(t tester, w *watched) []string
}

// run fills in r: it runs the clauses, unless there are problems already, and
// settles the golden report.
func (r *Report) run(t tester, o options, problems []string, clauses []clause) {
	t.Helper()
	for _, c := range clauses {
		r.Laws = append(r.Laws, Result{Law: c.id, Status: NotRun})
	}
	for _, p := range problems {
		t.Errorf("%s", p)
	}
	if problems != nil {
		return
	}
	for i, c := range clauses {
		t.Run(c.id, func(t tester) { r.enforce(t, o, c, &r.Laws[i]) })
	}
	problem, note := r.golden(o.dir, o.update)
	if problem != "" {
		t.Errorf("%s", problem)
	}
	if note != "" {
		t.Logf("%s", note)
	}
}

// enforce runs one clause. The result stays not-run if a hook ends the test,
// whether it skips or fails it.
func (r *Report) enforce(t tester, o options, c clause, res *Result) {
	t.Helper()
	if lacking, reasons := r.missing(c.needs); lacking != nil {
		res.Status, res.Needs = Unsupported, lacking
		t.Skipf("%s\nnot supported: %s", c.sentence, reasons)
		return
	}
	problems := watch(o.limit, func(w *watched) []string { return c.check(t, w) })
	if problems != nil {
		t.Errorf("%s\n%s", c.sentence, strings.Join(problems, "\n"))
	}
	if t.Failed() {
		res.Status = Failed
	} else {
		res.Status = Passed
	}
}
