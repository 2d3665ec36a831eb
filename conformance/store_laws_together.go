package conformance

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/rolloutkit/rolloutkit/core"
)

// What the laws on many callers say.
const (
	sentenceTogether    = "It is called from many goroutines and, for shared stores, processes at the same time."
	sentenceAgree       = "Claim is compare-and-set: of any number of callers with the same old, one entry stands, and each is told which."
	sentenceCountUnique = "Concurrent callers never get the same count for the same positive by."
)

func togetherLaws() []StoreLaw {
	return []StoreLaw{
		{ID: "calls-apart", Sentence: sentenceTogether, check: checkCallsApart},
		{ID: "claims-agree", Sentence: sentenceAgree, check: checkClaimsAgree},
		{ID: "migrations-agree", Sentence: sentenceCopy, check: checkMigrationsAgree},
		{ID: "count-unique", Sentence: sentenceCountUnique, Needs: []core.Capability{Counts}, check: checkCountUnique},
		{ID: "handles-agree", Sentence: sentenceTogether, Needs: []core.Capability{Shares}, check: checkHandlesAgree},
		{ID: "handles-count", Sentence: sentenceCountUnique, Needs: []core.Capability{Shares, Counts}, check: checkHandlesCount},
		{ID: "processes-agree", Sentence: sentenceAgree, Needs: []core.Capability{Shares}, check: checkProcessesAgree},
		{ID: "interleaved", Sentence: sentenceAgree, Needs: []core.Capability{Interleaves}, check: checkInterleaved},
	}
}

// together calls f on each of n goroutines with a handle of its own, and adds
// what they find wrong to h.
func (h *handle) together(n int, f func(g int, h *handle)) {
	lists := make([]faults, n)
	problems := h.parallel(n, func(g int) { f(g, h.on(&lists[g])) })
	for _, l := range lists {
		for _, problem := range l.list {
			h.f.addf("%s", problem)
		}
	}
	for _, problem := range problems {
		h.f.addf("%s", problem)
	}
}

// checkCallsApart lets goroutines work on units of their own, each of which
// has to see its own writes and nothing else.
func checkCallsApart(s *storeSetup) []string {
	var f faults
	s.handle(&f).together(callers, func(g int, h *handle) {
		own := core.Entry{Variant: fmt.Sprintf("v%d", g), Origin: core.SourceResolved, Final: true}
		for i := range 10 {
			key := unitKey("unit", g*1000+i)
			h.lacks(s.experiment, key)
			h.wins(s.experiment, key, core.Entry{}, own)
			h.loses(s.experiment, key, core.Entry{}, redEntry, own)
			h.wins(s.experiment, key, own, redEntry)
			h.put(s.experiment, key, own)
			h.holds(s.experiment, key, own)
			if i%2 == 0 {
				h.delete(s.experiment, key)
				h.lacks(s.experiment, key)
			}
		}
	})
	return f.done()
}

func checkClaimsAgree(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	const units = 50
	claimed := func(series string, old func(key string) core.Entry) {
		told := make([][units]core.Entry, callers)
		h.together(callers, func(g int, h *handle) {
			for u := range units {
				key := unitKey(series, u)
				e := core.Entry{Variant: fmt.Sprintf("v%d", g), Origin: core.SourceResolved, Final: true}
				told[g][u], _ = h.claim(s.experiment, key, old(key), e)
				runtime.Gosched()
			}
		})
		for u := range units {
			key := unitKey(series, u)
			stands := h.load(s.experiment, key).Entry
			for g := range callers {
				if h.kept(told[g][u]) != stands {
					f.addf("of %d callers one was told that %s stands under %q, where %s stands", callers, show(told[g][u]), key, show(stands))
				}
			}
		}
	}
	claimed("fresh", func(string) core.Entry { return core.Entry{} })

	// A ramp: all move the same entry.
	old := func(string) core.Entry { return blueEntry }
	if s.whole() {
		old = openEntry
	}
	for u := range units {
		key := unitKey("ramp", u)
		h.put(s.experiment, key, old(key))
	}
	claimed("ramp", old)
	return f.done()
}

// checkMigrationsAgree lets some load a unit that migrated, while others, who
// don't know its older key, claim for it.
func checkMigrationsAgree(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	const units, each = 100, 8
	for u := range units {
		h.put(s.experiment, unitKey("old", u), redEntry)
	}
	told := make([][units]core.Loaded, each)
	h.together(each, func(g int, h *handle) {
		for u := range units {
			key := unitKey("new", u)
			if (g+u)%2 == 0 {
				told[g][u] = h.load(s.experiment, key, unitKey("old", u))
			} else {
				e := core.Entry{Variant: fmt.Sprintf("v%d", g), Origin: core.SourceResolved, Final: true}
				told[g][u].Entry, _ = h.claim(s.experiment, key, core.Entry{}, e)
			}
			runtime.Gosched()
		}
	})
	for u := range units {
		key := unitKey("new", u)
		l := h.load(s.experiment, key)
		if l.Err == nil && !l.OK {
			f.addf("%q was loaded with an older key and claimed at the same time, and then has nothing", key)
		}
		for g := range each {
			if l.Err == nil && h.kept(told[g][u].Entry) != l.Entry {
				f.addf("of %d callers, some of which copy to %q and some claim it, one was told that %s stands, where %s does",
					each, key, show(told[g][u].Entry), show(l.Entry))
			}
		}
	}
	return f.done()
}

// checkCountUnique counts as round robin does, which needs every number once.
func checkCountUnique(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	h.uniqueCounts([]*handle{h})
	return f.done()
}

func (h *handle) uniqueCounts(handles []*handle) {
	const each = 50
	var mu sync.Mutex
	times := map[int64]int{}
	h.together(callers, func(g int, own *handle) {
		own.store = handles[g%len(handles)].store
		for range each {
			if n, ok := own.increment(h.experiment, "one", 1); ok {
				mu.Lock()
				times[n]++
				mu.Unlock()
			}
			runtime.Gosched()
		}
	})
	for _, n := range slices.Sorted(maps.Keys(times)) {
		if times[n] > 1 {
			h.f.addf("%d increments by 1 gave the count %d %d times", callers*each, n, times[n])
		}
	}
}

// checkHandlesAgree writes through one handle and reads through another, which
// has looked before: what it remembers must not hide the truth.
func checkHandlesAgree(s *storeSetup) []string {
	var f faults
	one := s.handle(&f)
	other := s.another(one)
	key, open := unitKey("unit", 0), unitKey("unit", 1)
	other.lacks(s.experiment, key)
	one.wins(s.experiment, key, core.Entry{}, redEntry)
	other.holds(s.experiment, key, redEntry)
	other.loses(s.experiment, key, core.Entry{}, blueEntry, redEntry)
	other.put(s.experiment, key, blueEntry)
	one.holds(s.experiment, key, blueEntry)
	one.wins(s.experiment, key, blueEntry, greenEntry)
	other.holds(s.experiment, key, greenEntry)
	if s.whole() {
		one.wins(s.experiment, open, core.Entry{}, openEntry(open))
		other.wins(s.experiment, open, openEntry(open), redEntry)
		one.holds(s.experiment, open, redEntry)
	}
	one.delete(s.experiment, key)
	other.lacks(s.experiment, key)
	for u := range 30 { // names that the other handle has never seen
		e := core.Entry{Variant: fmt.Sprintf("v%d", u), Origin: core.SourceResolved, Final: true}
		one.wins(s.experiment, unitKey("named", u), core.Entry{}, e)
		other.holds(s.experiment, unitKey("named", u), e)
	}
	other.clear(s.experiment)
	for u := range 30 {
		one.lacks(s.experiment, unitKey("named", u))
	}
	return f.done()
}

func checkHandlesCount(s *storeSetup) []string {
	var f faults
	one := s.handle(&f)
	one.uniqueCounts([]*handle{one, s.another(one)})
	return f.done()
}

// checkProcessesAgree lets processes claim the same units; half of these have
// an entry that all want to replace.
func checkProcessesAgree(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	old := blueEntry
	if s.whole() {
		old = openEntry(unitKey("under", 0))
	}
	for u := 1; u < processUnits; u += 2 {
		h.put(s.experiment, unitKey("unit", u), old)
	}
	told := s.processes(job{Address: s.address(h), Experiment: s.experiment, Old: old})
	for u := range processUnits {
		key := unitKey("unit", u)
		l := h.load(s.experiment, key)
		for p := range told {
			if l.Err == nil && h.kept(told[p][u]) != l.Entry {
				f.addf("process %d of %d was told that %s stands under %q, where %s does", p, len(told), show(told[p][u]), key, show(l.Entry))
			}
		}
	}
	return f.done()
}

// checkInterleaved lets another write between the read and the write of an
// operation, which then has come too late and has to say so.
func checkInterleaved(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	other := h
	if !s.harness.lacks(Shares) {
		other = s.another(h)
	}
	foreign := core.Entry{Variant: "foreign", Origin: core.SourceResolved, Final: true}
	load := func(key, older string) core.Loaded { return h.load(s.experiment, key, older) }
	claim := func(old core.Entry) func(key, older string) core.Loaded {
		return func(key, _ string) core.Loaded {
			stands, _ := h.claim(s.experiment, key, old, greenEntry)
			return core.Loaded{Entry: stands}
		}
	}
	unit, seen := 0, false
	for _, op := range []struct {
		name   string
		stands core.Entry
		do     func(key, older string) core.Loaded
	}{
		{"Load that copies", core.Entry{}, load},
		{"Claim where nothing stands", core.Entry{}, claim(core.Entry{})},
		{"Claim over what stands", blueEntry, claim(blueEntry)},
	} {
		for _, write := range []func(key string){
			func(key string) { other.wins(s.experiment, key, op.stands, foreign) },
			func(key string) { other.put(s.experiment, key, foreign) },
		} {
			key, older := unitKey("new", unit), unitKey("old", unit)
			unit++
			h.put(s.experiment, older, redEntry)
			if op.stands != (core.Entry{}) {
				h.put(s.experiment, key, op.stands)
			}
			var called func() bool
			hit := false
			s.onTest(func() { called = s.harness.Between(s.t.hooks(), h.store, func() { write(key) }) })
			told := op.do(key, older)
			s.onTest(func() { hit = called() })
			if !hit {
				continue // this operation is one step
			}
			seen = true
			h.holds(s.experiment, key, foreign)
			if told.Err == nil && told.Entry != h.kept(foreign) {
				f.addf("%s, during which another wrote %s, returns %s", op.name, show(foreign), show(told.Entry))
			}
			if op.name == "Load that copies" && told.Err == nil && !s.harness.lacks(CopiesOlder) && !slices.Equal(told.Others, []string{older}) {
				f.addf("%s, during which another wrote %s, returns the others %q, where the older key holds %s",
					op.name, show(foreign), told.Others, show(redEntry))
			}
		}
	}
	if !seen {
		f.addf("StoreHarness.Between never called its func, in a Load that copies or in a Claim; "+
			"a store in which nothing can come between opts out of %s", Interleaves)
	}
	return f.done()
}
