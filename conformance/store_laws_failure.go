package conformance

import (
	"context"
	"fmt"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// What the laws on failures and on expiry say.
const (
	sentenceUnreadable = "A value that can't be read is an error of Load, never an absence, and nothing is written over it by Load or Claim."
	sentenceDeadline   = "An operation returns at the deadline of its ctx."
	sentenceFailure    = "A failed operation never looks like an absence: it is an error, unless the store knows the answer otherwise."

	sentenceExpires = "An entry that expired is absent."
	sentenceRenewed = "A write, a copy included, gives an entry its whole time."
)

func failureLaws() []StoreLaw {
	garbage, remote := []core.Capability{HoldsGarbage}, []core.Capability{Remote}
	return []StoreLaw{
		{ID: "unreadable", Sentence: sentenceUnreadable, Needs: garbage, check: checkUnreadable},
		{ID: "unreadable-older", Sentence: sentenceUnreadable, Needs: garbage, check: checkUnreadableOlder},
		{ID: "unreadable-claim", Sentence: sentenceUnreadable, Needs: garbage, check: checkUnreadableClaim},
		{ID: "unreadable-batch", Sentence: sentenceUnreadable, Needs: []core.Capability{HoldsGarbage, Batches}, check: checkUnreadableBatch},
		{ID: "deadline", Sentence: sentenceDeadline, Needs: remote, check: checkDeadline},
		{ID: "failure", Sentence: sentenceFailure, Needs: remote, check: checkFailure},
	}
}

// corrupted returns a handle of a store with a value that can't be read.
func (s *storeSetup) corrupted(f *faults) (h *handle, key string) {
	h, key = s.handle(f), unitKey("unit", 0)
	s.onTest(func() { s.harness.Corrupt(s.t.hooks(), h.store, s.experiment, key) })
	return h, key
}

// raw calls Load where an error is to be expected.
func (h *handle) raw(experiment, key string, older ...string) core.Loaded {
	defer h.progress()
	var l core.Loaded
	l.Entry, l.Others, l.OK, l.Err = h.store.Load(context.Background(), experiment, key, older)
	return l
}

func checkUnreadable(s *storeSetup) []string {
	var f faults
	h, key := s.corrupted(&f)
	older := unitKey("old", 0)
	h.put(s.experiment, older, redEntry)
	for _, keys := range [][]string{nil, {older}, nil} {
		switch l := h.raw(s.experiment, key, keys...); {
		case l.Err == nil:
			f.addf("Load, with the older keys %q, of a value that can't be read returns %s, %v and no error", keys, show(l.Entry), l.OK)
		case l.OK:
			f.addf("Load of a value that can't be read returns both the error %q and an entry", l.Err)
		}
	}
	h.holds(s.experiment, older, redEntry)
	// Save writes whatever stands there, if it can.
	if err := h.store.Save(context.Background(), s.experiment, key, blueEntry); err == nil {
		h.holds(s.experiment, key, blueEntry)
	}
	return f.done()
}

// checkUnreadableOlder has a value that can't be read under an older key: it
// may be the assignment of the unit.
func checkUnreadableOlder(s *storeSetup) []string {
	var f faults
	h, key := s.corrupted(&f)
	newest, good := unitKey("new", 0), unitKey("old", 0)
	h.put(s.experiment, good, redEntry)
	for _, older := range [][]string{{key}, {key, good}, {unitKey("absent", 0), key, good}} {
		if l := h.raw(s.experiment, newest, older...); l.Err == nil {
			f.addf("Load with an older key whose value can't be read returns %s, %v and no error", show(l.Entry), l.OK)
		}
		h.lacks(s.experiment, newest)
	}
	return f.done()
}

func checkUnreadableClaim(s *storeSetup) []string {
	var f faults
	h, key := s.corrupted(&f)
	for _, old := range []core.Entry{{}, blueEntry} {
		stands, err := h.store.Claim(context.Background(), s.experiment, key, old, redEntry)
		if err == nil {
			f.addf("Claim over a value that can't be read returns %s and no error", show(stands))
		}
		if l := h.raw(s.experiment, key); l.Err == nil && l.OK {
			f.addf("after Claim over a value that can't be read, Load returns %s: it was written over", show(l.Entry))
		}
	}
	return f.done()
}

// checkUnreadableBatch looks at what else is in the batch.
func checkUnreadableBatch(s *storeSetup) []string {
	var f faults
	h, key := s.corrupted(&f)
	good := unitKey("unit", 1)
	h.put(s.experiment, good, redEntry)
	lookups := []core.Lookup{
		{Experiment: s.experiment, Key: good},
		{Experiment: s.experiment, Key: key},
		{Experiment: s.experiment + "_other", Key: key},
		{Experiment: s.experiment, Key: good},
	}
	all := h.batch(context.Background(), lookups)
	if len(all) != len(lookups) {
		abortf("LoadBatch of %d lookups returns %d results", len(lookups), len(all))
	}
	for i, l := range all {
		switch {
		case i == 1 && (l.Err == nil || l.OK):
			f.addf("LoadBatch of a value that can't be read returns %s, %v and the error %v", show(l.Entry), l.OK, l.Err)
		case i == 2 && (l.Err != nil || l.OK):
			f.addf("LoadBatch of what is absent, beside a value that can't be read, returns %s and %v", show(l.Entry), l.Err)
		case i != 1 && i != 2 && (l.Err != nil || l.Entry != s.kept(redEntry)):
			f.addf("LoadBatch of %s, beside a value that can't be read, returns %s and %v", show(redEntry), show(l.Entry), l.Err)
		}
	}
	return f.done()
}

// An operation is one call of a store, for laws that go for all of them.
type operation struct {
	name string
	call func(ctx context.Context, s core.Store) error
}

// operations returns all that the store has.
func (s *storeSetup) operations() []operation {
	key := unitKey("unit", 0)
	older := []string{unitKey("old", 0)}
	all := []operation{
		{"Load", func(ctx context.Context, st core.Store) error {
			_, _, _, err := st.Load(ctx, s.experiment, key, nil)
			return err
		}},
		{"Load with an older key", func(ctx context.Context, st core.Store) error {
			_, _, _, err := st.Load(ctx, s.experiment, key, older)
			return err
		}},
		{"Claim", func(ctx context.Context, st core.Store) error {
			_, err := st.Claim(ctx, s.experiment, key, core.Entry{}, redEntry)
			return err
		}},
		{"Claim over an entry", func(ctx context.Context, st core.Store) error {
			_, err := st.Claim(ctx, s.experiment, key, blueEntry, redEntry)
			return err
		}},
		{"Save", func(ctx context.Context, st core.Store) error { return st.Save(ctx, s.experiment, key, redEntry) }},
		{"Delete", func(ctx context.Context, st core.Store) error { return st.Delete(ctx, s.experiment, key, older[0]) }},
		{"Clear", func(ctx context.Context, st core.Store) error { return st.Clear(ctx, s.experiment) }},
	}
	if !s.harness.lacks(Batches) {
		all = append(all, operation{"LoadBatch", func(ctx context.Context, st core.Store) (err error) {
			lookups := []core.Lookup{{Experiment: s.experiment, Key: key}, {Experiment: s.experiment, Key: older[0]}}
			for _, l := range st.(core.BatchLoader).LoadBatch(ctx, lookups) {
				if err = l.Err; err == nil {
					break
				}
			}
			return err
		}})
	}
	if !s.harness.lacks(Counts) {
		all = append(all, operation{"Increment", func(ctx context.Context, st core.Store) error {
			_, err := st.(core.Counter).Increment(ctx, s.experiment, "one", 1)
			return err
		}})
	}
	return all
}

const (
	deadline = 50 * time.Millisecond

	// grace is how long after the deadline an operation may return. How close
	// it comes is for a benchmark to say.
	grace = time.Second
)

// checkDeadline tries again where an operation is late, since a machine that
// stands still is no fault of the store's.
func checkDeadline(s *storeSetup) []string {
	const tries = 3
	for try := 1; ; try++ {
		var f faults
		if late := s.outlive(&f); !late || try == tries {
			return f.done()
		}
	}
}

// outlive calls all operations at the same time, before the store may have
// learned that its server does not answer, and reports whether one is late.
func (s *storeSetup) outlive(f *faults) (late bool) {
	var st core.Store
	s.onTest(func() { st = s.harness.Blocked(s.t.hooks()) })
	s.over(st, "Blocked", f)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	operations := s.operations()
	returned := make([]chan string, len(operations))
	for i, op := range operations {
		returned[i] = make(chan string, 1)
		go func() {
			returned[i] <- guarded(func() {
				if err := op.call(ctx, st); err == nil {
					abortf("%s of a store whose server never answers returns no error", op.name)
				}
			})
		}()
	}
	<-ctx.Done()
	// The time begins here, so that a machine under load is no fault of the
	// store's.
	over, stop := context.WithTimeout(context.Background(), grace)
	defer stop()
	for i, op := range operations {
		problem := ""
		select {
		case problem = <-returned[i]:
		case <-over.Done():
			select {
			case problem = <-returned[i]:
			default:
				late = true
				problem = fmt.Sprintf("%s has not returned %v after the deadline of its ctx", op.name, grace)
			}
		}
		if problem != "" {
			f.addf("%s", problem)
		}
	}
	s.progress()
	return late
}

func checkFailure(s *storeSetup) []string {
	var f faults
	var st core.Store
	s.onTest(func() { st = s.harness.Down(s.t.hooks()) })
	s.over(st, "Down", &f)
	for _, op := range s.operations() {
		if err := op.call(context.Background(), st); err == nil {
			f.addf("%s of a store whose server can't be reached returns no error", op.name)
		}
		s.progress()
	}
	return f.done()
}

func expiryLaws() []StoreLaw {
	needs := []core.Capability{Expires}
	return []StoreLaw{
		{ID: "expires", Sentence: sentenceExpires, Needs: needs, check: checkExpires},
		{ID: "renewed", Sentence: sentenceRenewed, Needs: needs, check: checkRenewed},
	}
}

// expiring returns a handle of a store whose entries expire.
func (s *storeSetup) expiring(f *faults) (h *handle, ttl time.Duration, pass func(time.Duration)) {
	var st core.Store
	s.onTest(func() { st, ttl, pass = s.harness.Expiring(s.t.hooks()) })
	if ttl <= 0 || pass == nil {
		abortf("StoreHarness.Expiring returned the time %v, or no func to let time pass", ttl)
	}
	h = s.over(st, "Expiring", f)
	inner := pass
	pass = func(d time.Duration) {
		inner(d)
		s.progress()
	}
	return h, ttl, pass
}

// inTime returns what is wrong with entries that expire. Where time really
// passes, the machine may be too slow for what check looks at, which is no fault
// of the store's; check reports that, and is then tried again.
func inTime(check func(f *faults) (slow bool)) []string {
	const tries = 10
	for range tries {
		var f faults
		if slow := check(&f); !slow || f.list == nil {
			return f.done()
		}
	}
	return []string{"the machine was too slow for the time that StoreHarness.Expiring returned, in every one of several tries; a longer one helps"}
}

func checkExpires(s *storeSetup) []string {
	return inTime(func(f *faults) bool {
		h, ttl, pass := s.expiring(f)
		keys := []string{unitKey("unit", 0), unitKey("unit", 1), unitKey("unit", 2), unitKey("unit", 3)}
		for _, key := range keys {
			h.wins(s.experiment, key, core.Entry{}, redEntry)
		}
		pass(2 * ttl)
		h.lacks(s.experiment, keys[0])
		begun := time.Now()
		h.wins(s.experiment, keys[1], core.Entry{}, blueEntry)
		h.holds(s.experiment, keys[1], blueEntry)
		slow := time.Since(begun) >= ttl
		if l := h.load(s.experiment, unitKey("new", 0), keys[2], keys[3]); l.Err == nil && !same(l, core.Loaded{}) {
			f.addf("Load with older keys that expired returns %s", show(l.Entry))
		}
		return slow
	})
}

// checkRenewed looks for what was written last after more than the time of what
// was written first.
func checkRenewed(s *storeSetup) []string {
	return inTime(func(f *faults) bool {
		h, ttl, pass := s.expiring(f)
		saved, older, copied := unitKey("unit", 0), unitKey("old", 0), unitKey("new", 0)
		begun := time.Now()
		h.wins(s.experiment, saved, core.Entry{}, redEntry)
		h.wins(s.experiment, older, core.Entry{}, redEntry)
		pass(ttl / 2)
		h.holds(s.experiment, saved, redEntry)
		half := time.Now()
		h.put(s.experiment, saved, blueEntry)
		h.load(s.experiment, copied, older)
		slow := time.Since(begun) >= ttl
		pass(ttl/2 + ttl/8)
		h.holds(s.experiment, saved, blueEntry)
		h.holds(s.experiment, copied, redEntry)
		return slow || time.Since(half) >= ttl
	})
}
