package conformance

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// What the laws on failures and on expiry say.
const (
	sentenceUnreadable = "The entry is there and can't be read; then Entry is zero."
	sentenceNoClaim    = "A value that can't be read is an error, never an absence, and no Claim writes over it."
	sentenceDeadline   = "An operation returns at the deadline of its ctx."
	sentenceFailure    = "A failed operation never looks like an absence: it is an error, unless the store knows the answer otherwise."
	sentenceExpires    = "An entry that expired is absent."
	sentenceRenewed    = "A write gives an entry its whole time."
)

func failureLaws() []law[*storeSetup] {
	return []law[*storeSetup]{
		{"unreadable", sentenceUnreadable, needs(Unreadable), checkUnreadable},
		{"unreadable-claim", sentenceNoClaim, needs(Unreadable), checkUnreadableClaim},
		{"deadline", sentenceDeadline, needs(DoesIO), checkDeadline},
		{"failure", sentenceFailure, needs(DoesIO), checkFailure},
		{"expires", sentenceExpires, needs(Expires), checkExpires},
		{"renewed", sentenceRenewed, needs(Expires), checkRenewed},
	}
}

// corrupted returns a handle of a store with a value that can't be read.
func (s *storeSetup) corrupted() (h *handle, key string) {
	h, key = s.handle(), unitKey("unit", 0)
	s.onHarness(func(t *testing.T) { s.harness.Corrupt(t, h.store, s.experiment, key) })
	return h, key
}

// unreadable finds fault unless the entry under key is answered by an error.
func (h *handle) unreadable(key string) {
	l := []core.Lookup{{Experiment: h.experiment, Key: key}}
	if h.answer(l) && (l[0].Err == nil || l[0].Entry != none) {
		h.addf("Load of a value that can't be read answers %s and the error %v", show(l[0].Entry), l[0].Err)
	}
}

// checkUnreadable looks at what else is looked up.
func checkUnreadable(s *storeSetup) {
	h, key := s.corrupted()
	h.unreadable(key)
	good := unitKey("unit", 1)
	h.put(good, redEntry)
	lookups := []core.Lookup{
		{Experiment: s.experiment, Key: good},
		{Experiment: s.experiment, Key: key},
		{Experiment: s.experiment + "_other", Key: key},
		{Experiment: s.experiment, Key: good},
	}
	if !h.answer(lookups) {
		return
	}
	for i, want := range []core.Entry{redEntry, none, none, redEntry} {
		if l := lookups[i]; l.Entry != h.kept(want) || (l.Err != nil) != (i == 1) {
			s.addf("lookup %d of 4, of which only the one at 1 is of a value that can't be read, is answered by %s and the error %v", i, show(l.Entry), l.Err)
		}
	}
	h.unreadable(key)
	// Save writes whatever is there, if it can.
	if err := h.store.Save(context.Background(), s.experiment, key, blueEntry); err == nil {
		h.holds(key, blueEntry)
	}
}

func checkUnreadableClaim(s *storeSetup) {
	h, key := s.corrupted()
	for _, old := range []core.Entry{none, blueEntry} {
		current, won, err := h.store.Claim(context.Background(), s.experiment, key, old, redEntry)
		if err == nil {
			s.addf("Claim over a value that can't be read returns %s, won %v and no error", show(current), won)
		}
		h.unreadable(key)
	}
}

// An operation is one call of a store, for laws that go for all of them.
type operation struct {
	name string
	call func(ctx context.Context, s core.Store) error
}

// operations returns all that the store has.
func (s *storeSetup) operations() []operation {
	key, other := unitKey("unit", 0), unitKey("unit", 1)
	load := func(keys ...string) func(ctx context.Context, st core.Store) error {
		return func(ctx context.Context, st core.Store) error {
			lookups := make([]core.Lookup, len(keys))
			for i, key := range keys {
				lookups[i] = core.Lookup{Experiment: s.experiment, Key: key}
			}
			defer clear(lookups) // under -race a store that still writes to them shows
			err := st.Load(ctx, lookups)
			if err == nil && !slices.ContainsFunc(lookups, func(l core.Lookup) bool { return l.Err == nil }) {
				err = lookups[0].Err // it fails in every lookup
			}
			return err
		}
	}
	claim := func(old core.Entry) func(ctx context.Context, st core.Store) error {
		return func(ctx context.Context, st core.Store) error {
			_, _, err := st.Claim(ctx, s.experiment, key, old, redEntry)
			return err
		}
	}
	all := []operation{
		{"Load", load(key)},
		{"Load of two entries", load(key, other)},
		{"Claim", claim(none)},
		{"Claim over an entry", claim(blueEntry)},
		{"Save", func(ctx context.Context, st core.Store) error { return st.Save(ctx, s.experiment, key, redEntry) }},
		{"Delete", func(ctx context.Context, st core.Store) error { return st.Delete(ctx, s.experiment, key, other) }},
		{"Clear", func(ctx context.Context, st core.Store) error { return st.Clear(ctx, s.experiment) }},
	}
	if !s.lacks(Counts) {
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
func checkDeadline(s *storeSetup) {
	const tries = 3
	for try := 1; s.outlive() && try < tries; try++ {
		s.take()
	}
}

// outlive calls all operations at the same time, before the store may have
// learned that its server does not answer, and reports whether one is late.
func (s *storeSetup) outlive() (late bool) {
	h := s.handleOf("Blocked", s.harness.Blocked)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	operations := s.operations()
	returned := make([]chan string, len(operations))
	for i, op := range operations {
		returned[i] = make(chan string, 1)
		go func() {
			returned[i] <- guarded(func() {
				if err := op.call(ctx, h.store); err == nil {
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
			s.addf("%s", problem)
		}
	}
	s.progress()
	return late
}

func checkFailure(s *storeSetup) {
	h := s.handleOf("Down", s.harness.Down)
	for _, op := range s.operations() {
		if err := op.call(context.Background(), h.store); err == nil {
			s.addf("%s of a store whose server can't be reached returns no error", op.name)
		}
		s.progress()
	}
}

// expiring returns a handle of a store whose entries expire.
func (s *storeSetup) expiring() (h *handle, ttl time.Duration, pass func(time.Duration)) {
	var inner func(time.Duration)
	h = s.handleOf("Expiring", func(t *testing.T) (st core.Store) {
		st, ttl, inner = s.harness.Expiring(t)
		return st
	})
	if ttl <= 0 || inner == nil {
		abortf("StoreHarness.Expiring returned the time %v, or no func to let time pass", ttl)
	}
	return h, ttl, func(d time.Duration) {
		inner(d)
		s.progress()
	}
}

// inTime runs a check of entries that expire. Where time really passes, the
// machine may be too slow for what check looks at, which is no fault of the
// store's; check reports that, and is then tried again.
func (s *storeSetup) inTime(check func() (slow bool)) {
	const tries = 10
	for range tries {
		if slow := check(); !slow || !s.any() {
			return
		}
		s.take()
	}
	s.addf("the machine was too slow for the time that StoreHarness.Expiring returned, in every one of several tries; a longer one helps")
}

func checkExpires(s *storeSetup) {
	s.inTime(func() (slow bool) {
		h, ttl, pass := s.expiring()
		gone, claimed := unitKey("unit", 0), unitKey("unit", 1)
		h.wins(gone, none, redEntry)
		h.wins(claimed, none, redEntry)
		pass(2 * ttl)
		h.holds(gone, none)
		begun := time.Now()
		h.wins(claimed, none, blueEntry)
		h.holds(claimed, blueEntry)
		return time.Since(begun) >= ttl
	})
}

// checkRenewed looks for what was written last after more than the time of what
// was written first.
func checkRenewed(s *storeSetup) {
	s.inTime(func() (slow bool) {
		h, ttl, pass := s.expiring()
		saved, claimed := unitKey("unit", 0), unitKey("unit", 1)
		begun := time.Now()
		h.wins(saved, none, redEntry)
		h.wins(claimed, none, redEntry)
		pass(ttl / 2)
		half := time.Now()
		h.put(saved, blueEntry)
		h.wins(claimed, redEntry, blueEntry)
		slow = time.Since(begun) >= ttl
		pass(ttl/2 + ttl/8)
		h.holds(saved, blueEntry)
		h.holds(claimed, blueEntry)
		return slow || time.Since(half) >= ttl
	})
}
