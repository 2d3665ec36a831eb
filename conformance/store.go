package conformance

import (
	"slices"
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
	// Counts: the store is a [core.Counter].
	Counts core.Capability = "counts"
	// Expires: entries can expire.
	Expires core.Capability = "expires"
	// Shares: several handles in several processes see the same entries.
	Shares core.Capability = "shares"
	// Unreadable: others can put a value there that can't be read.
	Unreadable core.Capability = "unreadable"
	// ConcurrentWrites: others can write between the read and the write of a
	// Claim.
	ConcurrentWrites core.Capability = "concurrent-writes"
	// DoesIO: the store does I/O, which can fail or never end.
	DoesIO core.Capability = "does-io"
)

// StoreCapabilities returns all capabilities of stores, in a fixed order.
func StoreCapabilities() []core.Capability {
	return []core.Capability{WholeEntries, Counts, Expires, Shares, Unreadable, ConcurrentWrites, DoesIO}
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
	// have stored through it. It belongs to [Unreadable].
	Corrupt func(t *testing.T, s core.Store, experiment, key string)

	// Between makes s call write once, in the next Claim, between its read and
	// its write. The func that it returns ends that and says whether write was
	// called. It belongs to [ConcurrentWrites]; a store whose claims are one
	// step opts out.
	Between func(t *testing.T, s core.Store, write func()) (called func() bool)

	// Blocked returns a store whose server takes requests, or seems to, and
	// never answers. It belongs to [DoesIO].
	Blocked func(t *testing.T) core.Store

	// Down returns a store whose server can't be reached. It belongs to
	// [DoesIO].
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
	h.work(t)
	return h.suite(t).run(realT{t}, defaults())
}

func (h StoreHarness) suite(t *testing.T) suite[*storeSetup] {
	s := newSuite[*storeSetup](Report{Suite: "store", Name: h.Name}, "StoreHarness", h.Unsupported, StoreCapabilities(),
		hook{"New", h.New != nil, ""},
		hook{"Address", h.Address != nil, Shares},
		hook{"Join", h.Join != nil, Shares},
		hook{"Corrupt", h.Corrupt != nil, Unreadable},
		hook{"Between", h.Between != nil, ConcurrentWrites},
		hook{"Blocked", h.Blocked != nil, DoesIO},
		hook{"Down", h.Down != nil, DoesIO},
		hook{"Expiring", h.Expiring != nil, Expires},
	)
	s.laws = slices.Concat(entryLaws(), claimLaws(), removalLaws(), togetherLaws(), failureLaws())
	s.setup = func(s *setup) *storeSetup { return &storeSetup{setup: s, harness: h, root: t.Name()} }
	return s
}
