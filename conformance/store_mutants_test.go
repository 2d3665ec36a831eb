package conformance

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestEveryStoreLawCatchesItsMutants(t *testing.T) {
	var mutants []mutant[*storeSetup]
	for _, m := range storeMutants {
		h := refHarness(nil)
		m.harm(&h)
		mutants = append(mutants, mutant[*storeSetup]{law: m.law, how: m.how, waits: m.law == "deadline", suite: func(t *testing.T) suite[*storeSetup] {
			h.work(t)
			return h.suite(t)
		}})
	}
	catch(t, refHarness(nil).suite(t).laws, mutants)
}

// A storeMutant breaks a harness of reference stores.
type storeMutant struct {
	law, how string
	harm     func(h *StoreHarness)
}

// around puts w around the stores of a harness.
func around(w wrap) func(*StoreHarness) { return func(h *StoreHarness) { *h = refHarness(w) } }

// on does f in place of one operation.
func on(op string, f func(ctx context.Context, s Step, next call) (Answer, error)) func(*StoreHarness) {
	return around(func(next call) call {
		return func(ctx context.Context, s Step) (Answer, error) {
			if s.Op == op {
				return f(ctx, s, next)
			}
			return next(ctx, s)
		}
	})
}

// asking changes each step before it is done.
func asking(f func(s *Step)) func(*StoreHarness) {
	return around(func(next call) call {
		return func(ctx context.Context, s Step) (Answer, error) {
			f(&s)
			return next(ctx, s)
		}
	})
}

// renaming changes experiments and keys wherever they are named.
func renaming(f func(experiment, key *string)) func(*StoreHarness) {
	return asking(func(s *Step) {
		s.Lookups = slices.Clone(s.Lookups)
		for i := range s.Lookups {
			f(&s.Lookups[i].Experiment, &s.Lookups[i].Key)
		}
		s.Keys = slices.Clone(s.Keys)
		for i := range s.Keys {
			experiment := s.Experiment
			f(&experiment, &s.Keys[i])
			if len(s.Keys) == 1 {
				s.Experiment = experiment
			}
		}
	})
}

// answering changes the answer to one operation.
func answering(op string, f func(s Step, a *Answer, err *error)) func(*StoreHarness) {
	return on(op, func(ctx context.Context, s Step, next call) (Answer, error) {
		a, err := next(ctx, s)
		f(s, &a, &err)
		return a, err
	})
}

// current returns what is under the key of a step.
func current(ctx context.Context, s Step, next call) core.Entry {
	a, _ := next(ctx, Step{Op: "load", Lookups: []core.Lookup{{Experiment: s.Experiment, Key: s.Keys[0]}}})
	return a.Lookups[0].Entry
}

// matching takes old for the current entry where f says so.
func matching(f func(current, old core.Entry) bool) func(*StoreHarness) {
	return on("claim", func(ctx context.Context, s Step, next call) (Answer, error) {
		if c := current(ctx, s, next); f(c, s.Old) {
			s.Old = c
		}
		return next(ctx, s)
	})
}

// twoSteps claims by a read and a write. Others may come between.
func twoSteps(ctx context.Context, s Step, next call) (Answer, error) {
	if c := current(ctx, s, next); c != s.Old {
		return Answer{Current: c}, nil
	}
	_, _ = next(ctx, Step{Op: "pause"})
	time.Sleep(100 * time.Microsecond)
	s.Op = "save"
	_, err := next(ctx, s)
	return Answer{Current: s.Entry, Won: true}, err
}

// oneProcess is what several handles of one process can agree by.
var oneProcess sync.Mutex

var storeMutants = []storeMutant{
	{"description", "opts out of what it has", func(h *StoreHarness) {
		h.Unsupported = map[core.Capability]string{Counts: "really not"}
	}},
	{"description", "keeps names only and does not say so", func(h *StoreHarness) {
		*h = namesHarness(nil)
		h.Unsupported = nil
	}},
	{"absent", "answers control where nothing is", answering("load", func(_ Step, a *Answer, _ *error) {
		for i := range a.Lookups {
			if l := &a.Lookups[i]; l.Entry == none {
				l.Entry = resolved(core.Control)
			}
		}
	})},
	{"round-trip", "forgets what was before a ramp", asking(func(s *Step) { s.Entry.Previous = "" })},
	{"round-trip", "makes up an origin for a name", func(h *StoreHarness) {
		var made StoreHarness
		answering("load", func(_ Step, a *Answer, _ *error) {
			for i := range a.Lookups {
				a.Lookups[i].Entry.Origin = core.SourceResolved
			}
		})(&made)
		h.New = func(t *testing.T) core.Store { s := made.New(t).(*refStore); s.names = true; return s }
		h.Unsupported = map[core.Capability]string{WholeEntries: "names only"}
	}},
	{"any-variant", "trims names", asking(func(s *Step) { s.Entry.Variant = strings.TrimSpace(s.Entry.Variant) })},
	{"any-variant", "has a short dictionary", around(func(next call) call {
		known := map[string]bool{}
		return func(ctx context.Context, s Step) (Answer, error) {
			if known[s.Entry.Variant] = true; len(known) > 100 {
				return Answer{}, errors.New("too many names")
			}
			return next(ctx, s)
		}
	})},
	{"any-name", "cuts keys at 64", renaming(func(_, key *string) { *key = (*key)[:min(64, len(*key))] })},
	{"any-name", "joins names by a slash", renaming(func(experiment, key *string) {
		*experiment, *key = "", *experiment+"/"+*key
	})},
	{"save", "keeps what is there", asking(func(s *Step) {
		if s.Op == "save" {
			s.Op = "claim"
		}
	})},
	{"load-in-place", "sorts", answering("load", func(_ Step, a *Answer, _ *error) {
		slices.SortFunc(a.Lookups, func(a, b core.Lookup) int { return strings.Compare(a.Key, b.Key) })
	})},
	{"load-in-place", "answers equal lookups once", answering("load", func(_ Step, a *Answer, _ *error) {
		for i, l := range a.Lookups {
			if slices.Contains(a.Lookups[:i], l) {
				a.Lookups[i].Entry = none
			}
		}
	})},
	{"load-in-place", "takes 16 at most", asking(func(s *Step) { s.Lookups = s.Lookups[:min(16, len(s.Lookups))] })},
	{"arguments", "answers once more", around(func(next call) call {
		var kept []core.Lookup
		return func(ctx context.Context, s Step) (Answer, error) {
			for i := range kept {
				kept[i].Entry = none
			}
			kept = s.Lookups
			return next(ctx, s)
		}
	})},

	{"claim", "replaces whatever old says", matching(func(c, old core.Entry) bool { return c != none && old != none })},
	{"claim-zero", "takes an open control for nothing", matching(func(c, old core.Entry) bool { return old == none && c.Open != "" })},
	{"claim-gone", "does not ask for old where nothing is", matching(func(c, _ core.Entry) bool { return c == none })},
	{"claim-told", "wins where its entry is there", answering("claim", func(s Step, a *Answer, _ *error) { a.Won = a.Current == s.Entry })},
	{"claim-told", "returns the entry that lost", answering("claim", func(s Step, a *Answer, _ *error) { a.Current = s.Entry })},
	{"claim-equal", "compares names", matching(func(c, old core.Entry) bool { return c.Variant == old.Variant })},
	{"claim-open", "does not compare Open", matching(func(c, old core.Entry) bool {
		old.Open = c.Open
		return c == old
	})},

	{"delete", "deletes two at most", asking(func(s *Step) {
		if s.Op == "delete" {
			s.Keys = s.Keys[:min(2, len(s.Keys))]
		}
	})},
	{"delete", "deletes in another experiment too", on("delete", func(ctx context.Context, s Step, next call) (Answer, error) {
		_, _ = next(ctx, s)
		s.Experiment += "_other"
		return next(ctx, s)
	})},
	{"delete-absent", "finds absent keys wrong", on("delete", func(ctx context.Context, s Step, next call) (Answer, error) {
		if s.Keys != nil && current(ctx, s, next) == none {
			return Answer{}, errors.New("no such key")
		}
		return next(ctx, s)
	})},
	{"delete-absent", "deletes all where no key is named", asking(func(s *Step) {
		if s.Op == "delete" && s.Keys == nil {
			s.Op = "clear"
		}
	})},
	{"clear", "clears nothing", asking(func(s *Step) { s.Op = strings.TrimPrefix(s.Op, "clear") })},
	{"clear-counts", "leaves counts", on("clear", func(ctx context.Context, s Step, next call) (Answer, error) {
		count := Step{Op: "count", Experiment: s.Experiment, Keys: []string{"two"}}
		was, _ := next(ctx, count)
		a, err := next(ctx, s)
		count.By = was.Count
		_, _ = next(ctx, count)
		return a, err
	})},
	{"clear-one", "clears another that begins so", on("clear", func(ctx context.Context, s Step, next call) (Answer, error) {
		_, _ = next(ctx, s)
		s.Experiment += "_a"
		return next(ctx, s)
	})},
	{"count", "only counts up", asking(func(s *Step) { s.By = max(s.By, 0) })},
	{"count-from-zero", "begins at 100", answering("count", func(_ Step, a *Answer, _ *error) { a.Count += 100 })},
	{"count-apart", "folds the case of names", renaming(func(_, key *string) { *key = strings.ToLower(*key) })},

	{"calls-apart", "shares a scratch between calls", around(func(next call) call {
		var mu sync.Mutex
		var scratch []string
		return func(ctx context.Context, s Step) (Answer, error) {
			if s.Op == "save" {
				mu.Lock()
				scratch = s.Keys
				mu.Unlock()
				runtime.Gosched()
				mu.Lock()
				s.Keys = scratch
				mu.Unlock()
			}
			return next(ctx, s)
		}
	})},
	{"claims-agree", "reads and then writes", on("claim", twoSteps)},
	{"claims-agree", "tells all who claim an equal entry that they won", answering("claim", func(s Step, a *Answer, _ *error) {
		a.Won = a.Current == s.Entry
	})},
	{"count-unique", "reads and then writes", on("count", func(ctx context.Context, s Step, next call) (Answer, error) {
		by := s.By
		s.By = 0
		a, _ := next(ctx, s)
		runtime.Gosched()
		s.By = by
		_, err := next(ctx, s)
		return Answer{Count: a.Count + by}, err
	})},
	{"handles-agree", "remembers what was absent", around(func(next call) call {
		var absent sync.Map
		return func(ctx context.Context, s Step) (Answer, error) {
			a, err := next(ctx, s)
			for i, l := range a.Lookups {
				if _, known := absent.Load(l.Key); known {
					a.Lookups[i].Entry = none
				} else if l.Entry == none {
					absent.Store(l.Key, true)
				}
			}
			return a, err
		}
	})},
	{"handles-count", "counts for itself", around(func(next call) call {
		own := newBackend()
		return func(ctx context.Context, s Step) (Answer, error) {
			if s.Op == "count" {
				return own.call(ctx, s)
			}
			return next(ctx, s)
		}
	})},
	{"processes-agree", "locks within a process", on("claim", func(ctx context.Context, s Step, next call) (Answer, error) {
		oneProcess.Lock()
		defer oneProcess.Unlock()
		return twoSteps(ctx, s, next)
	})},
	{"interleaved", "reads and then writes", on("claim", twoSteps)},
	{"interleaved", "has no between", func(h *StoreHarness) {
		h.Between = func(*testing.T, core.Store, func()) func() bool { return func() bool { return false } }
	}},

	{"unreadable", "takes it for an absence", answering("load", func(_ Step, a *Answer, _ *error) {
		for i := range a.Lookups {
			a.Lookups[i].Err = nil
		}
	})},
	{"unreadable", "fails all that is asked with it", answering("load", func(_ Step, a *Answer, err *error) {
		for _, l := range a.Lookups {
			if *err = l.Err; l.Err != nil {
				return
			}
		}
	})},
	{"unreadable-claim", "does not say so", answering("claim", func(_ Step, _ *Answer, err *error) { *err = nil })},
	{"unreadable-claim", "writes over it and says that it failed", on("claim", func(ctx context.Context, s Step, next call) (Answer, error) {
		a, err := next(ctx, s)
		if err != nil {
			s.Op = "save"
			_, _ = next(ctx, s)
		}
		return a, err
	})},
	{"deadline", "forgets its ctx", on("clear", func(context.Context, Step, call) (Answer, error) {
		time.Sleep(time.Hour)
		return Answer{}, errors.New("time out")
	})},
	{"deadline", "answers when it is over", answering("load", func(_ Step, _ *Answer, err *error) { *err = nil })},
	{"failure", "takes it for an absence", answering("load", func(_ Step, _ *Answer, err *error) { *err = nil })},
	{"expires", "never expires", func(h *StoreHarness) {
		h.Expiring = func(t *testing.T) (core.Store, time.Duration, func(time.Duration)) {
			return h.New(t), time.Hour, func(time.Duration) {}
		}
	}},
	{"renewed", "counts from the first write", asking(func(s *Step) { s.KeepsTime = s.Op == "save" })},
	{"renewed", "counts from the first claim", asking(func(s *Step) { s.KeepsTime = s.Op == "claim" && s.Old != none })},
}
