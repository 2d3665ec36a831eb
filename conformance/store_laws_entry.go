package conformance

import (
	"fmt"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// What the laws on single entries say.
const (
	sentenceOptions   = "Without it a store keeps whole entries."
	sentenceAbsent    = "ok is false if there is none; then e and others are zero."
	sentenceRoundTrip = "What Claim stored, Load returns: every field, unknown variants included."
	sentenceKeys      = "Experiments are full names, keys are anonymous keys: lower-case hex of 32 to 128 digits from the core, " +
		"and any other text without control characters where a KeyScheme makes them."
	sentenceSave = "Save stores e under key, whatever stands there."
)

func entryLaws() []StoreLaw {
	return []StoreLaw{
		{ID: "description", Sentence: sentenceOptions, check: checkStoreDescription},
		{ID: "absent", Sentence: sentenceAbsent, check: checkAbsent},
		{ID: "round-trip", Sentence: sentenceRoundTrip, check: checkRoundTrip},
		{ID: "any-variant", Sentence: sentenceRoundTrip, check: checkAnyVariant},
		{ID: "any-name", Sentence: sentenceKeys, check: checkAnyName},
		{ID: "save", Sentence: sentenceSave, check: checkSave},
	}
}

// checkStoreDescription holds what the store says and implements against the
// opt-outs of the harness.
func checkStoreDescription(s *storeSetup) []string {
	var f faults
	st := s.handle(&f).store
	v, _ := st.(core.VariantStore)
	_, batches := st.(core.BatchLoader)
	_, counts := st.(core.Counter)
	for _, c := range []struct {
		capability core.Capability
		has        bool
		what       string
	}{
		{WholeEntries, v == nil || !v.VariantOnly(), "a store whose VariantOnly is false"},
		{Batches, batches, "a core.BatchLoader"},
		{Counts, counts, "a core.Counter"},
	} {
		switch lacks := s.harness.lacks(c.capability); {
		case c.has && lacks:
			f.addf("StoreHarness.Unsupported opts out of %s (%q), but %T is %s", c.capability, s.harness.Unsupported[c.capability], st, c.what)
		case !c.has && !lacks:
			f.addf("%T is not %s, and StoreHarness.Unsupported gives no reason for %s", st, c.what, c.capability)
		}
	}
	return f.done()
}

func checkAbsent(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	nothing := func(experiment, key string, older ...string) {
		if l := h.load(experiment, key, older...); l.Err == nil && !same(l, core.Loaded{}) {
			f.addf("Load of %q in %s with the older keys %q returns %s, the others %q and %v; nothing is stored there",
				key, experiment, older, show(l.Entry), l.Others, l.OK)
		}
	}
	for range 2 { // a Load leaves nothing behind
		nothing(s.experiment, unitKey("absent", 0))
		nothing(s.experiment, unitKey("absent", 1), unitKey("absent", 2), unitKey("absent", 3))
	}
	h.wins(s.experiment, unitKey("unit", 0), core.Entry{}, redEntry)
	nothing(s.experiment, unitKey("absent", 0))
	nothing(s.experiment, unitKey("absent", 1), unitKey("absent", 2))
	nothing(s.experiment+"_other", unitKey("unit", 0))
	return f.done()
}

func checkRoundTrip(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	entries := s.storable(unitKey("under", 0))
	for i, e := range entries {
		h.wins(s.experiment, unitKey("claimed", i), core.Entry{}, e)
	}
	for i, e := range entries {
		h.holds(s.experiment, unitKey("claimed", i), e)
	}
	// Ramps and claims over what stands go through another path of some stores.
	for i, e := range entries {
		key := unitKey("replaced", i)
		h.wins(s.experiment, key, core.Entry{}, greenEntry)
		h.wins(s.experiment, key, greenEntry, e)
		h.holds(s.experiment, key, e)
	}
	return f.done()
}

// checkAnyVariant uses more names than an experiment has, since stores may keep
// them in a dictionary, and those that look like something else.
func checkAnyVariant(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	names := []string{"0", "1", "00", "a", "A", "Red", "RED", "red", "red ", "red.", "red-", "red_", "red x", "red  x",
		"open", "final", "true", "null", "nil", "resolved", "Control", "control ", "candidate", "1e9", "1.0", "1.00",
		strings.Repeat("x", 99), strings.Repeat("x", 100), strings.Repeat("x", 99) + "y"}
	for i := range some {
		names = append(names, fmt.Sprintf("variant %d", i))
	}
	entry := func(name string) core.Entry {
		return core.Entry{Variant: name, Origin: core.SourceResolved, Final: true}
	}
	for i, name := range names {
		h.wins(s.experiment, unitKey("unit", i), core.Entry{}, entry(name))
	}
	for i, name := range names {
		h.holds(s.experiment, unitKey("unit", i), entry(name))
	}
	return f.done()
}

func checkAnyName(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	long := s.experiment + strings.Repeat("x", 99-len(s.experiment))
	experiments := []string{s.experiment, s.experiment + "_a", s.experiment + "/a", s.experiment + ".a", s.experiment + "-a",
		s.experiment + "/a/b", s.experiment + "a", long + "1", long + "2"}
	digits := unitKey("unit", 0)
	keys := []string{
		digits[:32], digits[:31] + otherDigit(digits[31]), digits, digits[:63] + otherDigit(digits[63]),
		otherDigit(digits[0]) + digits[1:], digits + digits, digits + unitKey("unit", 1),
		"a", "A", "a/b", "b", "_a", "user:1", "user:2", "User:1", "1", "01", " a", "a ", "a  b", "a b",
		"é", "e\u0301", "日本", "{tag}", "*", "?", "%s", "%25", `a"b\c`, "a'b", ".", "..", "null", strings.Repeat("k", 300),
	}
	for i, experiment := range experiments {
		for j, key := range keys {
			e := core.Entry{Variant: fmt.Sprintf("v%d.%d", i, j), Origin: core.SourceResolved, Final: true}
			h.wins(experiment, key, core.Entry{}, e)
		}
	}
	for i, experiment := range experiments {
		for j, key := range keys {
			e := core.Entry{Variant: fmt.Sprintf("v%d.%d", i, j), Origin: core.SourceResolved, Final: true}
			h.holds(experiment, key, e)
		}
	}
	return f.done()
}

// otherDigit returns a hex digit that is not d.
func otherDigit(d byte) string {
	if d == '0' {
		return "1"
	}
	return "0"
}

func checkSave(s *storeSetup) []string {
	var f faults
	h := s.handle(&f)
	key := unitKey("unit", 0)
	for _, e := range s.storable(key) {
		for _, stands := range s.storable(key) {
			h.put(s.experiment, key, stands)
			h.put(s.experiment, key, e)
			h.holds(s.experiment, key, e)
		}
	}
	fresh := unitKey("unit", 1)
	h.put(s.experiment, fresh, greenEntry)
	h.holds(s.experiment, fresh, greenEntry)
	h.loses(s.experiment, fresh, core.Entry{}, redEntry, greenEntry)
	return f.done()
}
