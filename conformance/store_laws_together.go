package conformance

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
)

// What the laws on many callers say.
const (
	sentenceTogether = "It is called from many goroutines and, for shared stores, processes at the same time."
	sentenceSet      = "Claim is compare-and-set."
	sentenceOneWins  = "Of any number of callers with the same old, one wins, and all are told which entry is there afterwards."
)

func togetherLaws() []law[*storeSetup] {
	return []law[*storeSetup]{
		{"calls-apart", sentenceTogether, nil, checkCallsApart},
		{"claims-agree", sentenceOneWins, nil, checkClaimsAgree},
		{"count-unique", sentenceCountUnique, needs(Counts), checkCountUnique},
		{"handles-agree", sentenceTogether, needs(Shares), checkHandlesAgree},
		{"handles-count", sentenceCountUnique, needs(Shares, Counts), checkHandlesCount},
		{"processes-agree", sentenceOneWins, needs(Shares), checkProcessesAgree},
		{"interleaved", sentenceSet, needs(ConcurrentWrites), checkInterleaved},
	}
}

// checkCallsApart lets goroutines work on units of their own, each of which
// has to see its own writes and nothing else.
func checkCallsApart(s *storeSetup) {
	h := s.handle()
	s.parallel(callers, func(g int) {
		own := resolved(fmt.Sprintf("v%d", g))
		for i := range 10 {
			key := unitKey("unit", g*1000+i)
			h.holds(key, none)
			h.wins(key, none, own)
			h.loses(key, none, redEntry, own)
			h.wins(key, own, redEntry)
			h.put(key, own)
			h.holds(key, own)
			if i%2 == 0 {
				h.delete(key)
				h.holds(key, none)
			}
		}
	})
}

// A told is what a caller was told of its claim.
type told struct {
	Current core.Entry
	Won     bool
}

// agree finds fault unless the callers, of whom all claimed the unit with the
// current entry as old, agree on who won.
func (h *handle) agree(key string, all []told) {
	current, ok := h.load(key)
	if !ok {
		return
	}
	won := 0
	for _, t := range all {
		if t.Won {
			won++
		}
		if h.kept(t.Current) != current {
			h.addf("of %d callers one was told that %s is under %q, where %s is", len(all), show(t.Current), key, show(current))
		}
	}
	if won != 1 {
		h.addf("of %d callers that claimed %q, %d were told that they won", len(all), key, won)
	}
}

func checkClaimsAgree(s *storeSetup) {
	h := s.handle()
	old := func(string) core.Entry { return blueEntry }
	if s.whole() {
		old = openEntry
	}
	own := func(g int) core.Entry { return resolved(fmt.Sprintf("v%d", g)) }
	for _, c := range []struct {
		series string
		old    func(key string) core.Entry
		claims func(g int) core.Entry
	}{
		{"fresh", func(string) core.Entry { return none }, own},
		{"ramp", old, own},
		{"equal", func(string) core.Entry { return none }, func(int) core.Entry { return redEntry }},
	} {
		const units = 50
		var all [units][callers]told
		for u := range units {
			if key := unitKey(c.series, u); c.old(key) != none {
				h.put(key, c.old(key))
			}
		}
		s.parallel(callers, func(g int) {
			for u := range units {
				key, t := unitKey(c.series, u), &all[u][g]
				t.Current, t.Won, _ = h.claim(key, c.old(key), c.claims(g))
				runtime.Gosched()
			}
		})
		for u := range units {
			h.agree(unitKey(c.series, u), all[u][:])
		}
	}
}

func checkCountUnique(s *storeSetup) {
	h := s.handle()
	s.uniqueCounts(h, h)
}

func checkHandlesCount(s *storeSetup) {
	h := s.handle()
	s.uniqueCounts(h, h.another())
}

// uniqueCounts counts as round robin does, which needs every number once.
func (s *storeSetup) uniqueCounts(handles ...*handle) {
	const each = 50
	var mu sync.Mutex
	times := map[int64]int{}
	s.parallel(callers, func(g int) {
		for range each {
			if n, ok := handles[g%len(handles)].increment("one", 1); ok {
				mu.Lock()
				times[n]++
				mu.Unlock()
			}
			runtime.Gosched()
		}
	})
	for _, n := range slices.Sorted(maps.Keys(times)) {
		if times[n] > 1 {
			s.addf("%d increments by 1 gave the count %d %d times", callers*each, n, times[n])
		}
	}
}

// checkHandlesAgree writes through one handle and reads through another, which
// has looked before: what it remembers must not hide the truth.
func checkHandlesAgree(s *storeSetup) {
	one := s.handle()
	other := one.another()
	key, open := unitKey("unit", 0), unitKey("unit", 1)
	other.holds(key, none)
	one.wins(key, none, redEntry)
	other.holds(key, redEntry)
	other.loses(key, none, blueEntry, redEntry)
	other.put(key, blueEntry)
	one.holds(key, blueEntry)
	one.wins(key, blueEntry, greenEntry)
	other.holds(key, greenEntry)
	if s.whole() {
		one.wins(open, none, openEntry(open))
		other.wins(open, openEntry(open), redEntry)
		one.holds(open, redEntry)
	}
	one.delete(key)
	other.holds(key, none)
	for u := range 30 { // names that the other handle has never seen
		e := resolved(fmt.Sprintf("v%d", u))
		one.wins(unitKey("named", u), none, e)
		other.holds(unitKey("named", u), e)
	}
	other.clear()
	for u := range 30 {
		one.holds(unitKey("named", u), none)
	}
}

// checkProcessesAgree lets processes claim the same units; half of these have
// an entry that all want to replace.
func checkProcessesAgree(s *storeSetup) {
	h := s.handle()
	old := blueEntry
	if s.whole() {
		old = openEntry(unitKey("under", 0))
	}
	for u := 1; u < processUnits; u += 2 {
		h.put(unitKey("unit", u), old)
	}
	all := s.processes(job{Address: h.address(), Experiment: s.experiment, Old: old})
	for u := range processUnits {
		h.agree(unitKey("unit", u), all[u])
	}
}

// checkInterleaved lets another write between the read and the write of a
// claim, which has then come too late and has to say so.
func checkInterleaved(s *storeSetup) {
	h, between := s.handle(), false
	other := h
	if !s.lacks(Shares) {
		other = h.another()
	}
	foreign := resolved("foreign")
	for i, old := range []core.Entry{none, blueEntry} {
		for j, write := range []func(key string){
			func(key string) { other.wins(key, old, foreign) },
			func(key string) { other.put(key, foreign) },
		} {
			key := unitKey("unit", 2*i+j)
			if old != none {
				h.put(key, old)
			}
			var called func() bool
			s.onHarness(func(t *testing.T) { called = s.harness.Between(t, h.store, func() { write(key) }) })
			current, won, ok := h.claim(key, old, greenEntry)
			hit := false
			s.onHarness(func(*testing.T) { hit = called() })
			if !hit {
				continue // this claim is one step
			}
			between = true
			h.holds(key, foreign)
			if ok && (won || h.kept(current) != h.kept(foreign)) {
				s.addf("Claim over %s, during which another wrote %s, returns %s and won %v", show(old), show(foreign), show(current), won)
			}
		}
	}
	if !between {
		s.addf("StoreHarness.Between never called its func, in a Claim; a store in which nothing can come between opts out of %s", ConcurrentWrites)
	}
}
