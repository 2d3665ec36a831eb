package conformance

import (
	"fmt"
	"sync"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
)

// A law is one rule of an interface, as data. S is what the checks of its suite
// work with.
type law[S any] struct {
	id       string            // in the report, as the subtest, in -run
	sentence string            // the rule, in the words of the comment that states it
	needs    []core.Capability // without which the law says nothing
	check    func(s S)         // tells s what is wrong; knows nothing of tests
}

func needs(c ...core.Capability) []core.Capability { return c }

// A setup is what a check of any suite works with. It collects what is wrong.
type setup struct {
	*watched
	optOuts
	experiment string // a name that no other law uses
	t          tester // for the harness's hooks alone
}

// onHarness calls f, which calls a hook of the harness, on the test's goroutine.
func (s *setup) onHarness(f func(t *testing.T)) { s.onTest(func() { f(s.t.hooks()) }) }

// described finds fault if what an implementation says of itself contradicts the
// harness.
func (s *setup) described(c core.Capability, has bool, says string) {
	switch lacks := s.lacks(c); {
	case has && lacks:
		s.addf("the harness opts out of %s (%q), but %s says that it is there", c, s.optOuts[c], says)
	case !has && !lacks:
		s.addf("%s says that there is no %s, and the harness does not opt out of it", says, c)
	}
}

// optOuts are why a harness lacks capabilities.
type optOuts map[core.Capability]string

func (o optOuts) lacks(c core.Capability) bool {
	_, lacks := o[c]
	return lacks
}

// faults collects problems, at most a few of them: one broken rule tends to
// show in thousands of units. Goroutines may share it.
type faults struct {
	mu   sync.Mutex
	list []string
	more int
}

const maxFaults = 5

func (f *faults) addf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

// any reports whether there is a problem.
func (f *faults) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list != nil
}

// take returns the problems, nil for none, and forgets them.
func (f *faults) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.list
	if f.more > 0 {
		list = append(list, fmt.Sprintf("and %d more of the kind", f.more))
	}
	f.list, f.more = nil, 0
	return list
}
