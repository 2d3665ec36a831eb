package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// What the laws on loading and saving say.
const (
	sentenceWhole     = "Without it a store keeps whole entries."
	sentenceAbsent    = "The zero Entry says that nothing is stored."
	sentenceRoundTrip = "What Claim or Save stored, Load returns: every field, unknown variants included."
	sentenceNames     = "Experiments are full names, keys are anonymous keys: lower-case hex of 32 to 128 digits from the core, " +
		"and any other text without control characters where a KeyScheme makes them."
	sentenceSave      = "Save stores e under key, whatever is there."
	sentenceLookups   = "Load answers each lookup in its place, all in one round trip where it can."
	sentenceArguments = "Once it has returned it does not touch its arguments any more."
)

func entryLaws() []law[*storeSetup] {
	return []law[*storeSetup]{
		{"description", sentenceWhole, nil, checkStoreDescription},
		{"absent", sentenceAbsent, nil, checkAbsent},
		{"round-trip", sentenceRoundTrip, nil, checkRoundTrip},
		{"any-variant", sentenceRoundTrip, nil, checkAnyVariant},
		{"any-name", sentenceNames, nil, checkAnyName},
		{"save", sentenceSave, nil, checkSave},
		{"load-in-place", sentenceLookups, nil, checkLoadInPlace},
		{"arguments", sentenceArguments, nil, checkArguments},
	}
}

// checkStoreDescription holds what the store says and implements against the
// opt-outs of the harness.
func checkStoreDescription(s *storeSetup) {
	st := s.handle().store
	v, _ := st.(core.VariantStore)
	s.described(WholeEntries, v == nil || !v.VariantOnly(), fmt.Sprintf("whether a %T is VariantOnly", st))
	_, counts := st.(core.Counter)
	s.described(Counts, counts, fmt.Sprintf("whether a %T is a core.Counter", st))
}

func checkAbsent(s *storeSetup) {
	h := s.handle()
	for range 2 { // a Load leaves nothing behind
		h.holds(unitKey("absent", 0), none)
	}
	h.wins(unitKey("unit", 0), none, redEntry)
	h.holds(unitKey("absent", 0), none)
	h.in(s.experiment+"_other").holds(unitKey("unit", 0), none)
}

func checkRoundTrip(s *storeSetup) {
	h := s.handle()
	for i, e := range s.storable() {
		h.wins(unitKey("claimed", i), none, e)
	}
	for i, e := range s.storable() {
		h.holds(unitKey("claimed", i), e)
	}
	// A claim over an entry goes through another path of some stores.
	for i, e := range s.storable() {
		key := unitKey("replaced", i)
		h.wins(key, none, greenEntry)
		h.wins(key, greenEntry, e)
		h.holds(key, e)
	}
}

// checkAnyVariant uses more names than an experiment has, since stores may keep
// them in a dictionary, and those that look like something else.
func checkAnyVariant(s *storeSetup) {
	h := s.handle()
	names := []string{"0", "1", "00", "a", "A", "Red", "RED", "red", "red ", "red.", "red-", "red_", "red x", "red  x",
		"open", "final", "true", "null", "nil", "resolved", "Control", "control ", "candidate", "1e9", "1.0", "1.00",
		strings.Repeat("x", 99), strings.Repeat("x", 100), strings.Repeat("x", 99) + "y"}
	for i := range some {
		names = append(names, fmt.Sprintf("variant %d", i))
	}
	for i, name := range names {
		h.wins(unitKey("unit", i), none, resolved(name))
	}
	for i, name := range names {
		h.holds(unitKey("unit", i), resolved(name))
	}
}

func checkAnyName(s *storeSetup) {
	h := s.handle()
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
	for _, act := range []func(h *handle, key string, e core.Entry){
		func(h *handle, key string, e core.Entry) { h.wins(key, none, e) },
		(*handle).holds,
	} {
		for i, experiment := range experiments {
			for j, key := range keys {
				act(h.in(experiment), key, resolved(fmt.Sprintf("v%d.%d", i, j)))
			}
		}
	}
}

// otherDigit returns a hex digit that is not d.
func otherDigit(d byte) string {
	if d == '0' {
		return "1"
	}
	return "0"
}

func checkSave(s *storeSetup) {
	h := s.handle()
	key, fresh := unitKey("unit", 0), unitKey("unit", 1)
	for _, e := range s.storable() {
		for _, current := range s.storable() {
			h.put(key, current)
			h.put(key, e)
			h.holds(key, e)
		}
	}
	h.put(fresh, greenEntry)
	h.holds(fresh, greenEntry)
	h.loses(fresh, none, redEntry, greenEntry)
}

// checkLoadInPlace asks for the entries of a page of experiments in no order:
// some twice, some absent.
func checkLoadInPlace(s *storeSetup) {
	h := s.handle()
	for _, n := range []int{0, 1, 2, 3, 10, 50} {
		var lookups []core.Lookup
		var want []core.Entry
		for i := range n {
			experiment, key := fmt.Sprintf("%s_%d", s.experiment, i%7), unitKey(fmt.Sprintf("page of %d", n), i)
			e := resolved(fmt.Sprintf("v%d", i%5))
			if i%3 == 2 {
				e = none
			} else {
				h.in(experiment).put(key, e)
			}
			lookups, want = append(lookups, core.Lookup{Experiment: experiment, Key: key}), append(want, e)
		}
		if n > 2 {
			lookups, want = append(lookups, lookups[1]), append(want, want[1])
		}
		asked := slices.Clone(lookups)
		if !h.answer(lookups) {
			continue
		}
		for i := range want {
			asked[i].Entry = h.kept(want[i])
			if lookups[i] != asked[i] {
				s.addf("lookup %d of %d, of %q in %s, is answered as %q in %s by %s and the error %v; it should be %s", i, len(want),
					asked[i].Key, asked[i].Experiment, lookups[i].Key, lookups[i].Experiment, show(lookups[i].Entry), lookups[i].Err, show(asked[i].Entry))
			}
		}
	}
}

// checkArguments writes over what an operation got, as the core may, and lets
// other operations follow. Under -race a store that still uses it in another
// goroutine shows too.
func checkArguments(s *storeSetup) {
	h := s.handle()
	key, other := unitKey("unit", 0), unitKey("unit", 1)
	h.put(key, redEntry)
	lookups, keys := []core.Lookup{{Experiment: s.experiment, Key: key}}, []string{unitKey("absent", 0), unitKey("absent", 1)}
	h.answer(lookups)
	own := core.Lookup{Experiment: "written over", Key: key, Entry: greenEntry, Err: context.Canceled}
	lookups[0] = own
	h.delete(keys...)
	keys[0], keys[1] = key, key
	h.put(other, blueEntry)
	h.holds(other, blueEntry)
	h.delete(other)
	h.holds(key, redEntry)
	if lookups[0] != own || keys[0] != key || keys[1] != key {
		s.addf("what Load and Delete got was changed after they had returned: %+v, %q", lookups[0], keys)
	}
}
