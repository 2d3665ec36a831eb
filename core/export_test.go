package core

// KeyMaker returns a function that makes a unit's key, as Assign does.
func KeyMaker(secret []byte, experiment string) func(Unit) string {
	keyer := newKeyer(secret)
	return func(u Unit) string { return keyer.key(experiment, &u) }
}

// AppendUnit is what a key is made of.
func AppendUnit(b []byte, experiment string, u Unit) []byte { return appendUnit(b, experiment, &u) }

// Spread is what AnyVariant means.
var Spread = spread

// The name rules.
var (
	LegalName    = legalName
	LegalVariant = legalVariant
)

// RaceEnabled says that the race detector is on: it allocates, and is slow.
const RaceEnabled = raceEnabled
