package conformance

import "github.com/rolloutkit/rolloutkit/core"

// What the laws on claims and on older keys say.
const (
	sentenceClaim = "Claim stores e under key if nothing or an entry equal to old stands there, and returns what stands afterwards."
	sentenceEqual = "Two entries are equal if == says so."
	sentenceZero  = "The zero old matches nothing but absence."

	sentenceLoad   = "Load returns the entry under key."
	sentenceCopy   = "Failing that, it copies the entry of the first of older that has one to key, and returns what then stands under key."
	sentenceCopies = "Copies: processes that don't know the new key yet still read the old one; it ages out."
	sentenceOthers = "others are those of older that hold another variant than the one returned, open controls excepted."
	sentenceOlder  = "older is read-only and mostly nil."
)

func claimLaws() []StoreLaw {
	return []StoreLaw{
		{ID: "claim", Sentence: sentenceClaim, check: checkClaim},
		{ID: "claim-equal", Sentence: sentenceEqual, Needs: []core.Capability{WholeEntries}, check: checkClaimEqual},
		{ID: "claim-zero", Sentence: sentenceZero, check: checkClaimZero},
	}
}

func checkClaim(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	key := unitKey("unit", 0)
	h.wins(s.experiment, key, core.Entry{}, redEntry)
	h.loses(s.experiment, key, core.Entry{}, blueEntry, redEntry)
	h.loses(s.experiment, key, greenEntry, blueEntry, redEntry)
	h.wins(s.experiment, key, redEntry, blueEntry)
	h.holds(s.experiment, key, blueEntry)
	h.loses(s.experiment, key, redEntry, greenEntry, blueEntry)
	h.wins(s.experiment, key, blueEntry, blueEntry)
	h.holds(s.experiment, key, blueEntry)

	fresh := unitKey("unit", 1) // where nothing stands, old does not matter
	h.wins(s.experiment, fresh, redEntry, greenEntry)
	h.holds(s.experiment, fresh, greenEntry)

	if s.whole() {
		open := unitKey("unit", 2)
		h.wins(s.experiment, open, core.Entry{}, openEntry(open))
		h.loses(s.experiment, open, redEntry, blueEntry, openEntry(open))
		ramped := core.Entry{Variant: "red", Previous: core.Control, Origin: core.SourceResolved, Final: true}
		h.wins(s.experiment, open, openEntry(open), ramped)
		h.holds(s.experiment, open, ramped)
	}
	return f.done()
}

// checkClaimEqual claims over an old that differs from what stands in one
// field.
func checkClaimEqual(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	key := unitKey("unit", 0)
	ramped := core.Entry{Variant: "red", Previous: core.Control, Origin: core.SourceResolved, Final: true}
	for _, stands := range []core.Entry{openEntry(key), redEntry, ramped} {
		h.put(s.experiment, key, stands)
		for _, change := range []func(e *core.Entry){
			func(e *core.Entry) { e.Variant = "blue" },
			func(e *core.Entry) { e.Origin = core.SourceManual },
			func(e *core.Entry) { e.Origin = 0 },
			func(e *core.Entry) { e.Final = !e.Final },
			func(e *core.Entry) {
				if e.Previous = core.Control; stands.Previous != "" {
					e.Previous = ""
				}
			},
			func(e *core.Entry) {
				if e.Under = "0badcafe"; stands.Under != "" {
					e.Under = stands.Under[:7] + otherDigit(stands.Under[7])
				}
			},
		} {
			old := stands
			change(&old)
			h.loses(s.experiment, key, old, greenEntry, stands)
		}
	}
	return f.done()
}

func checkClaimZero(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	for i, stands := range s.storable(unitKey("under", 0)) {
		key := unitKey("unit", i)
		h.put(s.experiment, key, stands)
		h.loses(s.experiment, key, core.Entry{}, greenEntry, stands)
	}
	return f.done()
}

func olderLaws() []StoreLaw {
	return []StoreLaw{
		{ID: "load-newest", Sentence: sentenceLoad, check: checkLoadNewest},
		{ID: "load-copies", Sentence: sentenceCopy, check: checkLoadCopies},
		{ID: "keeps-older", Sentence: sentenceCopies, Needs: []core.Capability{CopiesOlder}, check: checkKeepsOlder},
		{ID: "others", Sentence: sentenceOthers, check: checkOthers},
		{ID: "older-unchanged", Sentence: sentenceOlder, check: checkOlderUnchanged},
	}
}

func checkLoadNewest(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	key, older := unitKey("new", 0), unitKey("old", 0)
	h.put(s.experiment, key, redEntry)
	h.put(s.experiment, older, blueEntry)
	if l := h.load(s.experiment, key, older); l.Err == nil && l.Entry != s.kept(redEntry) {
		f.addf("Load with an older key returns %s; under the newest is %s, under the older %s", show(l.Entry), show(redEntry), show(blueEntry))
	}
	h.holds(s.experiment, key, redEntry)
	h.holds(s.experiment, older, blueEntry)
	return f.done()
}

func checkLoadCopies(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	for i, e := range s.storable(unitKey("old", 1)) {
		series := func(name string) string { return unitKey(name, i) }
		key := series("new")
		h.put(s.experiment, series("older"), e)
		h.put(s.experiment, series("oldest"), greenEntry)
		l := h.load(s.experiment, key, series("absent"), series("older"), series("oldest"))
		if l.Err == nil && (!l.OK || l.Entry != s.kept(e)) {
			f.addf("Load with three older keys returns %s; the first that has one has %s", show(l.Entry), show(e))
		}
		h.holds(s.experiment, key, e)
		h.lacks(s.experiment, series("absent"))
		h.holds(s.experiment, series("oldest"), greenEntry)
	}
	return f.done()
}

func checkKeepsOlder(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	for i, e := range s.storable(unitKey("old", 1)) {
		older := unitKey("old", i)
		h.put(s.experiment, older, e)
		h.load(s.experiment, unitKey("new", i), older)
		h.holds(s.experiment, older, e)
		// Two keys are not one entry: what happens to one stays there.
		h.put(s.experiment, unitKey("new", i), greenEntry)
		h.holds(s.experiment, older, e)
	}
	return f.done()
}

// checkOthers asks twice where the entry is copied from an older key, since it
// is found under the newest from then on.
func checkOthers(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	key := func(name string) string { return unitKey(name, 0) }
	older := []string{key("absent"), key("blue"), key("red"), key("other red"), key("control")}
	h.put(s.experiment, key("blue"), blueEntry)
	h.put(s.experiment, key("red"), redEntry)
	h.put(s.experiment, key("other red"), core.Entry{Variant: "red", Origin: core.SourceManual, Final: true})
	h.put(s.experiment, key("control"), core.Entry{Variant: core.Control, Origin: core.SourceResolved, Final: true})
	if s.whole() {
		h.put(s.experiment, key("open"), openEntry(key("open")))
		older = append(older, key("open"))
	}
	want := func(newest string, older []string, entry core.Entry, others ...string) {
		l := h.load(s.experiment, newest, older...)
		if l.Err == nil && !same(l, core.Loaded{Entry: s.kept(entry), Others: others, OK: true}) {
			f.addf("Load with the older keys %q returns %s and the others %q; it should return %s and %q",
				older, show(l.Entry), l.Others, show(entry), others)
		}
	}
	h.put(s.experiment, key("new red"), redEntry)
	want(key("new red"), older, redEntry, key("blue"), key("control"))
	if s.whole() {
		h.put(s.experiment, key("new open"), openEntry(key("open")))
		want(key("new open"), older, openEntry(key("open")), key("blue"), key("red"), key("other red"))
	}
	// A store that moves entries empties the key that it copies from.
	want(key("new"), older, blueEntry, key("red"), key("other red"), key("control"))
	want(key("new"), older, blueEntry, key("red"), key("other red"), key("control"))
	want(key("alone"), []string{key("other red"), key("red")}, core.Entry{Variant: "red", Origin: core.SourceManual, Final: true})
	return f.done()
}

// checkOlderUnchanged looks beyond the length of the slice too, where an append
// of the store's would write.
func checkOlderUnchanged(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	keys := []string{unitKey("z", 0), unitKey("a", 0), unitKey("m", 0), unitKey("beyond", 0)}
	h.put(s.experiment, keys[1], redEntry)
	for _, newest := range []string{unitKey("new", 0), unitKey("new", 0), keys[1]} {
		given := append([]string(nil), keys...)
		h.load(s.experiment, newest, given[:3]...)
		for i := range keys {
			if given[i] != keys[i] {
				f.addf("Load changed the older keys that it was given: %q is now %q", keys[i], given[i])
			}
		}
	}
	return f.done()
}
