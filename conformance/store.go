package conformance

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// What stores differ in. A harness opts out of what its store can't do, with a
// reason; the laws that need it are then not run.
const (
	// WholeEntries: every field of an entry is kept, not the variant alone.
	// Opting out says what VariantOnly of [core.VariantStore] says.
	WholeEntries core.Capability = "whole-entries"
	// CopiesOlder: Load leaves the entry of an older key where it is.
	CopiesOlder core.Capability = "copies-older"
	// Batches: the store is a [core.BatchLoader].
	Batches core.Capability = "batches"
	// Counts: the store is a [core.Counter].
	Counts core.Capability = "counts"
	// Expires: entries can expire.
	Expires core.Capability = "expires"
	// Shares: several handles in several processes see the same entries.
	Shares core.Capability = "shares"
	// HoldsGarbage: others can put a value there that can't be read.
	HoldsGarbage core.Capability = "holds-garbage"
	// Interleaves: others can write between a read and a write of one
	// operation.
	Interleaves core.Capability = "interleaves"
	// Remote: the store does I/O, which can fail or never end.
	Remote core.Capability = "remote"
)

// StoreCapabilities returns all capabilities of stores, in a fixed order.
func StoreCapabilities() []core.Capability {
	return []core.Capability{WholeEntries, CopiesOlder, Batches, Counts, Expires, Shares, HoldsGarbage, Interleaves, Remote}
}

// A StoreHarness connects one store to the suite. It is a struct of funcs, so
// that it can grow. The hooks are called on the goroutine of the test that they
// get, one at a time, so they may call t.Fatal and t.Cleanup. Each hook but New
// belongs to a capability, and is nil where Unsupported says why that is
// missing.
type StoreHarness struct {
	// Name names the report and its golden file, as [Harness.Name] does.
	Name string

	// New returns a store that holds nothing. Stores of several calls hold
	// nothing in common.
	New func(t *testing.T) core.Store

	// Address returns what Join needs to reach the data of s, such as a URL and
	// a prefix. s comes from New of the same test. It belongs to [Shares].
	Address func(t *testing.T, s core.Store) string

	// Join returns another store over the data at address, as another process
	// would have. The suite does call it in other processes: it starts the test
	// binary again, up to where the test calls [RunStore], which then calls
	// Join in place of the laws and ends the test by t.Skip. A test should thus
	// call RunStore once, and do nothing before that can't be done twice: a
	// server is best started by the first New, for the test around. It belongs
	// to [Shares].
	Join func(t *testing.T, address string) core.Store

	// Corrupt puts a value under key that s can't read: one that nobody could
	// have stored through it. It belongs to [HoldsGarbage].
	Corrupt func(t *testing.T, s core.Store, experiment, key string)

	// Between makes s call write once, in the next operation that reads and
	// then writes, between the two. The func that it returns ends that and says
	// whether write was called. It belongs to [Interleaves]; a store of which
	// every operation is one step, a copy by Load included, opts out.
	Between func(t *testing.T, s core.Store, write func()) (called func() bool)

	// Blocked returns a store whose server takes requests, or seems to, and
	// never answers. It belongs to [Remote].
	Blocked func(t *testing.T) core.Store

	// Down returns a store whose server can't be reached. It belongs to
	// [Remote].
	Down func(t *testing.T) core.Store

	// Expiring returns an empty store, the time that its entries are kept after
	// they are written, and a func that lets time pass: time.Sleep, or one that
	// moves a clock. It belongs to [Expires].
	Expiring func(t *testing.T) (s core.Store, ttl time.Duration, pass func(time.Duration))

	// Unsupported says of each capability that the store lacks why it does, as
	// [Harness.Unsupported] does.
	Unsupported map[core.Capability]string
}

// RunStore holds the store of h against every law, one subtest each, and
// returns the report. What is said of [Run] goes for it too.
func RunStore(t *testing.T, h StoreHarness) Report {
	t.Helper()
	return runStore(realT{t}, h, StoreLaws(), defaults())
}

// A StoreLaw is one rule of [core.Store], as data.
type StoreLaw struct {
	// ID names the law: in the report, as the subtest, in -run.
	ID string

	// Sentence is the rule, in the words of the comment that states it.
	Sentence string

	// Needs are the capabilities without which the law says nothing.
	Needs []core.Capability

	// check returns what is wrong, nil for nothing. It knows nothing of tests.
	check func(s *storeSetup) []string
}

// StoreLaws returns the laws of [RunStore] in the order in which it runs them.
func StoreLaws() []StoreLaw {
	return slices.Concat(entryLaws(), claimLaws(), olderLaws(), removalLaws(), batchLaws(), countLaws(), togetherLaws(),
		failureLaws(), expiryLaws())
}

func runStore(t tester, h StoreHarness, laws []StoreLaw, o options) Report {
	t.Helper()
	work(t, &h)
	report := newReport(suiteStore, h.Name, StoreCapabilities(), h.Unsupported)
	clauses := make([]clause, len(laws))
	root := t.hooks().Name()
	for i, l := range laws {
		clauses[i] = clause{l.ID, l.Sentence, l.Needs, func(t tester, w *watched) []string {
			return l.check(&storeSetup{watched: w, harness: &h, t: t, root: root,
				experiment: "conformance_" + strings.ReplaceAll(l.ID, "-", "_")})
		}}
	}
	report.run(t, o, h.problems(), clauses)
	return report
}

// problems returns what is wrong with h before anything was run.
func (h *StoreHarness) problems() []string {
	var f faults
	if !harnessName.MatchString(h.Name) {
		f.addf("StoreHarness.Name %q is not usable as the name of a report: it has to match %s", h.Name, harnessName)
	}
	if h.New == nil {
		f.addf("StoreHarness.New is nil")
	}
	for _, hook := range []struct {
		name  string
		set   bool
		needs core.Capability
	}{
		{"Address", h.Address != nil, Shares},
		{"Join", h.Join != nil, Shares},
		{"Corrupt", h.Corrupt != nil, HoldsGarbage},
		{"Between", h.Between != nil, Interleaves},
		{"Blocked", h.Blocked != nil, Remote},
		{"Down", h.Down != nil, Remote},
		{"Expiring", h.Expiring != nil, Expires},
	} {
		switch lacks := h.lacks(hook.needs); {
		case !hook.set && !lacks:
			f.addf("StoreHarness.%s is nil, and StoreHarness.Unsupported gives no reason for %s", hook.name, hook.needs)
		case hook.set && lacks:
			f.addf("StoreHarness.%s is set, but StoreHarness.Unsupported opts out of %s", hook.name, hook.needs)
		}
	}
	f.list = append(f.list, optOutProblems(h.Unsupported, StoreCapabilities())...)
	return f.done()
}

// lacks reports whether h opts out of c.
func (h *StoreHarness) lacks(c core.Capability) bool {
	_, ok := h.Unsupported[c]
	return ok
}
