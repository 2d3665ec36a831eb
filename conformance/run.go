package conformance

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// A suite is the laws of one interface and the harness that is held against
// them.
type suite[S any] struct {
	report   Report   // in which nothing was run
	problems []string // of the harness, which keep the laws from being run
	optOuts  optOuts
	laws     []law[S]
	setup    func(s *setup) S
}

// A hook is a func of a harness. It is there unless its capability is opted out
// of.
type hook struct {
	name  string
	isSet bool
	needs core.Capability // empty: it is always there
}

var harnessName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// newSuite returns a suite without laws for a harness, a value of the type
// called kind.
func newSuite[S any](r Report, kind string, unsupported optOuts, known []core.Capability, hooks ...hook) suite[S] {
	var f faults
	if !harnessName.MatchString(r.Name) {
		f.addf("%s.Name %q is not usable as the name of a report: it has to match %s", kind, r.Name, harnessName)
	}
	for _, h := range hooks {
		switch lacks := unsupported.lacks(h.needs); {
		case !h.isSet && h.needs == "":
			f.addf("%s.%s is nil", kind, h.name)
		case !h.isSet && !lacks:
			f.addf("%s.%s is nil, and %s.Unsupported gives no reason for %s", kind, h.name, kind, h.needs)
		case h.isSet && lacks:
			f.addf("%s.%s is set, but %s.Unsupported opts out of %s", kind, h.name, kind, h.needs)
		}
	}
	for _, c := range slices.Sorted(maps.Keys(unsupported)) {
		if !slices.Contains(known, c) {
			f.addf("%s.Unsupported opts out of %q, which is no capability; they are %v", kind, c, known)
		}
		if strings.TrimSpace(unsupported[c]) == "" {
			f.addf("%s.Unsupported opts out of %s without a reason", kind, c)
		}
	}
	for _, c := range known {
		r.Capabilities = append(r.Capabilities, Ability{Capability: c, Supported: !unsupported.lacks(c), Reason: unsupported[c]})
	}
	return suite[S]{report: r, problems: f.take(), optOuts: unsupported}
}

// options are what the suites fix and their own tests vary.
type options struct {
	dir    string        // of golden reports
	update bool          // rewrite them
	limit  time.Duration // how long a check may stand still
}

func defaults() options {
	return options{dir: "testdata", update: os.Getenv(updateEnv) == "1", limit: hangLimit}
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

// run enforces every law and settles the golden report.
func (s suite[S]) run(t tester, o options) Report {
	t.Helper()
	r := s.report
	for _, l := range s.laws {
		r.Laws = append(r.Laws, Result{Law: l.id, Status: NotRun})
	}
	for _, p := range s.problems {
		t.Errorf("%s", p)
	}
	if s.problems != nil {
		return r
	}
	for i, l := range s.laws {
		t.Run(l.id, func(t tester) { s.enforce(t, o, l, &r.Laws[i]) })
	}
	problem, note := r.golden(o.dir, o.update)
	if problem != "" {
		t.Errorf("%s", problem)
	}
	if note != "" {
		t.Logf("%s", note)
	}
	return r
}

// enforce runs one law. The result stays not-run if a hook ends the test,
// whether it skips or fails it.
func (s suite[S]) enforce(t tester, o options, l law[S], res *Result) {
	t.Helper()
	var reasons []string
	for _, a := range s.report.Capabilities {
		if !a.Supported && slices.Contains(l.needs, a.Capability) {
			res.Status, res.Needs = Unsupported, append(res.Needs, a.Capability)
			reasons = append(reasons, string(a.Capability)+": "+a.Reason)
		}
	}
	if reasons != nil {
		t.Skipf("%s\nnot supported: %s", l.sentence, strings.Join(reasons, "; "))
		return
	}
	problems := watch(o.limit, func(w *watched) {
		experiment := "conformance_" + strings.ReplaceAll(l.id, "-", "_")
		l.check(s.setup(&setup{watched: w, optOuts: s.optOuts, experiment: experiment, t: t}))
	})
	if problems != nil {
		t.Errorf("%s\n%s", l.sentence, strings.Join(problems, "\n"))
	}
	if t.Failed() {
		res.Status = Failed
	} else {
		res.Status = Passed
	}
}
