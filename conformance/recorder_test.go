package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A recorder is a tester that fails nobody.
type recorder struct {
	t       *testing.T
	name    string
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
	sub := &recorder{t: r.t, name: name}
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
	var b strings.Builder
	for _, e := range r.errors {
		b.WriteString(e + "\n")
	}
	for name, sub := range r.subs {
		if text := sub.text(); text != "" {
			b.WriteString(name + ": " + text)
		}
	}
	return b.String()
}

// record runs the suite over h with a recorder, and golden files out of the way.
func record(t *testing.T, h Harness) (*recorder, Report) {
	t.Helper()
	rec := &recorder{t: t}
	return rec, run(rec, h, Laws(), options{dir: t.TempDir(), limit: time.Minute})
}
