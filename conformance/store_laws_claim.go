package conformance

import "github.com/rolloutkit/rolloutkit/core"

// What the laws on claims say.
const (
	sentenceClaim = "Claim stores e under key if old is there, the zero old being nothing."
	sentenceEqual = "Two entries are equal if == says so."
	sentenceTold  = "It returns the entry that is there afterwards and whether this call put it there: " +
		"of several claims with an equal e one wins all the same."
	sentenceOpen = "Open marks an open control, one that a later ramp may still move: " +
		"it is the first 8 hex digits of the Request.Key that the control was resolved under."
)

func claimLaws() []law[*storeSetup] {
	return []law[*storeSetup]{
		{"claim", sentenceClaim, nil, checkClaim},
		{"claim-zero", sentenceClaim, nil, checkClaimZero},
		{"claim-gone", sentenceClaim, nil, checkClaimGone},
		{"claim-told", sentenceTold, nil, checkClaimTold},
		{"claim-equal", sentenceEqual, needs(WholeEntries), checkClaimEqual},
		{"claim-open", sentenceOpen, needs(WholeEntries), checkClaimOpen},
	}
}

func checkClaim(s *storeSetup) {
	h := s.handle()
	key := unitKey("unit", 0)
	h.wins(key, none, redEntry)
	h.holds(key, redEntry)
	h.loses(key, greenEntry, blueEntry, redEntry)
	h.wins(key, redEntry, blueEntry)
	h.holds(key, blueEntry)
	h.loses(key, redEntry, greenEntry, blueEntry)
	h.wins(key, blueEntry, blueEntry)
	h.holds(key, blueEntry)
}

func checkClaimZero(s *storeSetup) {
	h := s.handle()
	for i, current := range s.storable() {
		key := unitKey("unit", i)
		h.put(key, current)
		h.loses(key, none, greenEntry, current)
	}
}

// checkClaimGone claims over an entry that was never there, and one that was
// deleted.
func checkClaimGone(s *storeSetup) {
	h := s.handle()
	h.loses(unitKey("never", 0), redEntry, greenEntry, none)
	h.put(unitKey("deleted", 0), redEntry)
	h.delete(unitKey("deleted", 0))
	h.loses(unitKey("deleted", 0), redEntry, greenEntry, none)
}

// checkClaimTold claims another entry and what is there already.
func checkClaimTold(s *storeSetup) {
	h := s.handle()
	for i, current := range s.storable() {
		key := unitKey("unit", i)
		h.put(key, current)
		h.loses(key, none, greenEntry, current)
		h.loses(key, none, current, current)
		h.loses(key, greenEntry, current, current)
	}
}

// checkClaimEqual claims over an old that differs from the current entry in one
// field.
func checkClaimEqual(s *storeSetup) {
	h := s.handle()
	key := unitKey("unit", 0)
	for _, current := range []core.Entry{redEntry, ramped("red"), openEntry(key)} {
		h.put(key, current)
		variant, origin, unknown, previous := current, current, current, current
		variant.Variant = "blue"
		origin.Origin = core.SourceManual
		unknown.Origin = ""
		previous.Previous = "green"
		for _, old := range []core.Entry{variant, origin, unknown, previous} {
			h.loses(key, old, greenEntry, current)
		}
	}
}

// checkClaimOpen claims over open controls and over final ones.
func checkClaimOpen(s *storeSetup) {
	h := s.handle()
	key, final := unitKey("unit", 0), resolved(core.Control)
	open, other := openEntry(key), openEntry(key[:7]+otherDigit(key[7]))
	h.wins(key, none, open)
	h.holds(key, open)
	h.loses(key, none, redEntry, open)
	h.loses(key, final, redEntry, open)
	h.loses(key, other, redEntry, open)
	h.wins(key, open, ramped("red"))
	h.holds(key, ramped("red"))
	h.loses(key, open, greenEntry, ramped("red"))

	key = unitKey("unit", 1)
	h.wins(key, none, final)
	h.loses(key, open, redEntry, final)
	h.holds(key, final)
}
