package conformance

import (
	"context"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
)

// What the laws on removing, batches and counts say.
const (
	sentenceDelete       = "Delete removes the entries under keys."
	sentenceDeleteAbsent = "Absent ones are no error."
	sentenceClear        = "Clear removes all entries and counts of one experiment."
	sentenceClearOne     = "Clear touches one experiment only."

	sentenceBatchOrder = "LoadBatch returns one Loaded per Lookup, in the same order."
	sentenceBatch      = "Each result is what Load would have returned."

	sentenceCount      = "Increment adds by to the experiment's counter called name and returns the new count."
	sentenceCountZero  = "A counter that was never incremented is 0."
	sentenceCountApart = "A Counter counts per experiment."
)

func removalLaws() []StoreLaw {
	return []StoreLaw{
		{ID: "delete", Sentence: sentenceDelete, check: checkDelete},
		{ID: "delete-absent", Sentence: sentenceDeleteAbsent, check: checkDeleteAbsent},
		{ID: "clear", Sentence: sentenceClear, check: checkClear},
		{ID: "clear-counts", Sentence: sentenceClear, Needs: []core.Capability{Counts}, check: checkClearCounts},
		{ID: "clear-one", Sentence: sentenceClearOne, check: checkClearOne},
	}
}

func checkDelete(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	other := s.experiment + "_other"
	for u := range 10 {
		h.wins(s.experiment, unitKey("unit", u), core.Entry{}, redEntry)
	}
	h.wins(other, unitKey("unit", 1), core.Entry{}, blueEntry)
	gone := map[int]bool{1: true, 4: true, 7: true}
	h.delete(s.experiment, unitKey("unit", 1), unitKey("unit", 4), unitKey("unit", 7))
	for u := range 10 {
		if key := unitKey("unit", u); gone[u] {
			h.lacks(s.experiment, key)
		} else {
			h.holds(s.experiment, key, redEntry)
		}
	}
	h.holds(other, unitKey("unit", 1), blueEntry)
	h.wins(s.experiment, unitKey("unit", 4), core.Entry{}, greenEntry)
	h.holds(s.experiment, unitKey("unit", 4), greenEntry)
	return f.done()
}

func checkDeleteAbsent(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	h.delete(s.experiment, unitKey("absent", 0))
	h.delete(s.experiment)
	h.wins(s.experiment, unitKey("unit", 0), core.Entry{}, redEntry)
	h.wins(s.experiment, unitKey("unit", 1), core.Entry{}, redEntry)
	h.delete(s.experiment)
	h.delete(s.experiment, unitKey("absent", 0), unitKey("unit", 0), unitKey("unit", 0))
	h.lacks(s.experiment, unitKey("unit", 0))
	h.holds(s.experiment, unitKey("unit", 1), redEntry)
	return f.done()
}

func checkClear(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	h.clear(s.experiment) // nothing there yet
	for u := range some {
		e := redEntry
		if s.whole() && u%2 == 0 {
			e = openEntry(unitKey("unit", u))
		}
		h.wins(s.experiment, unitKey("unit", u), core.Entry{}, e)
	}
	h.clear(s.experiment)
	for u := range some {
		h.lacks(s.experiment, unitKey("unit", u))
	}
	h.wins(s.experiment, unitKey("unit", 0), core.Entry{}, blueEntry)
	h.holds(s.experiment, unitKey("unit", 0), blueEntry)
	return f.done()
}

func checkClearCounts(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	names := []string{"one", "two"}
	var first []int64
	for _, name := range names {
		n, _ := h.increment(s.experiment, name, 5)
		first = append(first, n)
	}
	h.clear(s.experiment)
	for i, name := range names {
		h.counts(s.experiment, name, 5, first[i])
	}
	return f.done()
}

// checkClearOne clears an experiment among others whose names begin as its
// does, or that its name would match if a dot stood for any character.
func checkClearOne(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	counts := !s.harness.lacks(Counts)
	cleared := []string{s.experiment, s.experiment + ".a"}
	others := []string{s.experiment + "_a", s.experiment + "/a", s.experiment + "-a", s.experiment + "a", s.experiment + ".ab",
		s.experiment + ".a.b", s.experiment[1:], s.experiment[:len(s.experiment)-1]}
	before := map[string]int64{}
	for _, experiment := range append(cleared, others...) {
		for u := range 20 {
			h.wins(experiment, unitKey("unit", u), core.Entry{}, redEntry)
		}
		if counts {
			before[experiment], _ = h.increment(experiment, "one", 3)
		}
	}
	for _, experiment := range cleared {
		h.clear(experiment)
	}
	for _, experiment := range others {
		for u := range 20 {
			h.holds(experiment, unitKey("unit", u), redEntry)
		}
		if counts {
			h.counts(experiment, "one", 1, before[experiment]+1)
		}
	}
	return f.done()
}

func batchLaws() []StoreLaw {
	return []StoreLaw{
		{ID: "batch-order", Sentence: sentenceBatchOrder, Needs: []core.Capability{Batches}, check: checkBatchOrder},
		{ID: "batch-as-load", Sentence: sentenceBatch, Needs: []core.Capability{Batches}, check: checkBatch},
	}
}

// checkBatchOrder asks for the keys of a page of experiments, some of them
// twice, some absent.
func checkBatchOrder(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	for _, n := range []int{0, 1, 2, 3, 10, 50} {
		var lookups []core.Lookup
		var want []core.Loaded
		for i := range n {
			experiment, key := fmt.Sprintf("%s_%d", s.experiment, i%7), unitKey(fmt.Sprintf("page of %d", n), i)
			l := core.Loaded{}
			if i%3 != 2 {
				e := core.Entry{Variant: fmt.Sprintf("v%d", i%5), Origin: core.SourceResolved, Final: true}
				h.put(experiment, key, e)
				l = core.Loaded{Entry: s.kept(e), OK: true}
			}
			lookups, want = append(lookups, core.Lookup{Experiment: experiment, Key: key}), append(want, l)
		}
		if n > 2 {
			lookups, want = append(lookups, lookups[1]), append(want, want[1])
		}
		got := h.batch(context.Background(), lookups)
		if len(got) != len(want) {
			f.addf("LoadBatch of %d lookups returns %d results", len(want), len(got))
			continue
		}
		for i := range want {
			if !same(got[i], want[i]) {
				f.addf("result %d of a LoadBatch of %d is %s, %v, %v; it should be %s", i, n, show(got[i].Entry), got[i].OK, got[i].Err, show(want[i].Entry))
			}
		}
	}
	return f.done()
}

// checkBatch makes the same entries twice, in two experiments, and compares a
// batch over one with single loads over the other.
func checkBatch(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	single, batched := s.experiment, s.experiment+"_batched"
	var lookups []core.Lookup
	for i, names := range [][]string{
		{"new"}, {"new", "absent"}, {"new", "red"}, {"new", "absent", "blue", "other red"}, {"new", "open", "red"},
		{"blue", "red", "open", "absent"}, {"open"}, {"open", "red", "blue"},
	} {
		var keys []string
		for _, name := range names {
			keys = append(keys, unitKey(name, i))
		}
		lookups = append(lookups, core.Lookup{Experiment: batched, Key: keys[0], Older: keys[1:]})
		for _, experiment := range []string{single, batched} {
			h.put(experiment, unitKey("red", i), redEntry)
			h.put(experiment, unitKey("other red", i), redEntry)
			h.put(experiment, unitKey("blue", i), blueEntry)
			if s.whole() {
				h.put(experiment, unitKey("open", i), openEntry(unitKey("open", i)))
			}
		}
	}
	for range 2 { // what was copied is found
		got := h.batch(context.Background(), lookups)
		if len(got) != len(lookups) {
			abortf("LoadBatch of %d lookups returns %d results", len(lookups), len(got))
		}
		for i, l := range lookups {
			if want := h.load(single, l.Key, l.Older...); !same(got[i], want) {
				f.addf("LoadBatch with the older keys %q returns %s, the others %q, %v and %v; Load returns %s, %q, %v and %v", l.Older,
					show(got[i].Entry), got[i].Others, got[i].OK, got[i].Err, show(want.Entry), want.Others, want.OK, want.Err)
			}
		}
	}
	return f.done()
}

func countLaws() []StoreLaw {
	return []StoreLaw{
		{ID: "count", Sentence: sentenceCount, Needs: []core.Capability{Counts}, check: checkCount},
		{ID: "count-from-zero", Sentence: sentenceCountZero, Needs: []core.Capability{Counts}, check: checkCountFromZero},
		{ID: "count-apart", Sentence: sentenceCountApart, Needs: []core.Capability{Counts}, check: checkCountApart},
	}
}

func checkCount(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	first, ok := h.increment(s.experiment, "one", 1)
	if !ok {
		return f.done()
	}
	sum := first
	for _, by := range []int64{1, 1, 2, 40, 0, -3, -100, 1 << 40, 1} {
		sum += by
		h.counts(s.experiment, "one", by, sum)
	}
	return f.done()
}

func checkCountFromZero(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	h.counts(s.experiment, "one", 1, 1)
	h.counts(s.experiment, "two", 3, 3)
	return f.done()
}

// checkCountApart counts under the key of an entry too.
func checkCountApart(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	key := unitKey("unit", 0)
	h.put(s.experiment, key, redEntry)
	places := [][2]string{{s.experiment, "one"}, {s.experiment, "two"}, {s.experiment, "One"}, {s.experiment, key},
		{s.experiment, "round_robin"}, {s.experiment + "_other", "one"}, {s.experiment + "/other", "one"}}
	var counts []int64
	for i, p := range places {
		n, _ := h.increment(p[0], p[1], int64(10+i))
		counts = append(counts, n)
	}
	for i, p := range places {
		h.counts(p[0], p[1], 1, counts[i]+1)
	}
	h.holds(s.experiment, key, redEntry)
	h.delete(s.experiment, key)
	h.counts(s.experiment, key, 1, counts[3]+2)
	h.lacks(s.experiment, key)
	return f.done()
}
