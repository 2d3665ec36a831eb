package core

import "context"

// An Entry is one stored assignment. Two entries are equal if == says so.
//
// The life of the entry under one key:
//
//	absent   by Claim: open or final, whatever a fresh assignment is, or a copy
//	         of what an older key has
//	open     by Claim: final, the variant that a later ramp gives its unit, once
//	final    by Claim: only where the variant that it names is retired
//	any      by Save: final, as manual and forced assignments are
//	any      by Delete, by Clear or when it expires: absent
//
// First writer wins: a claim of an absent entry never replaces one that is
// there. A ramp is claimed under all keys of the unit, the oldest first; where
// that holds another entry, all get that one.
type Entry struct {
	// Variant is the name of the assigned variant; Control is stored like any
	// other. It is never empty, except in the zero Entry, which is no entry.
	Variant string

	// Previous is the variant that an open control's unit had before a ramp
	// moved it: Control, or empty where nothing moved.
	Previous string

	// Origin says how the entry began: SourceManual, SourceForced,
	// SourceSegmented, SourceResolved or SourceExcluded. Empty, as from stores
	// that keep variant names only, says that nobody knows.
	Origin Source

	// Open marks an open control, one that a later ramp may still move: it is
	// the first 8 hex digits of the Request.Key that the control was resolved
	// under. Empty says that the entry is final. So a store that forgets it
	// makes entries final and never movable.
	Open string
}

// open reports whether e is an open control.
func (e *Entry) open() bool { return e.Open != "" && e.Variant == Control }

// A Store keeps assignments, so that a unit keeps its variant when weights,
// rules or the flag change. It only stores: which of several entries counts,
// what is copied where and who may replace whom is decided by the core. It is
// called from many goroutines and, for shared stores, processes at the same
// time.
//
// Experiments are full names, keys are anonymous keys: lower-case hex of 32 to
// 128 digits from the core, and any other text without control characters
// where a [KeyScheme] makes them. Keys differ if a byte does. Implementations keep these rules, and prove
// them with conformance.RunStore, which has a law for each:
//
//   - What Claim or Save stored, Load returns: every field, unknown variants
//     included.
//   - Claim is compare-and-set. Of any number of callers with the same old,
//     one wins, and all are told which entry is there afterwards.
//   - A value that can't be read is an error, never an absence, and no Claim
//     writes over it.
//   - An operation returns at the deadline of its ctx. A store that does no I/O
//     need not look at it. Once it has returned it does not touch its arguments
//     any more.
//   - Clear touches one experiment only.
//   - A failed operation never looks like an absence: it is an error, unless
//     the store knows the answer otherwise.
//   - Entries may expire. An entry that expired is absent. A write gives an
//     entry its whole time.
//
// The core treats every error as "unknown": unless it knows the current entry
// all the same, it decides without the store, marks the event degraded and
// writes nothing. A Store must pass
// conformance.RunStore.
type Store interface {
	// Load answers each lookup in its place, all in one round trip where it
	// can. Lookups come with Entry and Err empty; they may repeat each other
	// and may be of several experiments. An entry that can't be read, such as
	// one without a variant, is that lookup's Err, and the others are answered
	// all the same. The error is for a trip that failed as a whole: what it
	// left in lookups is ignored.
	Load(ctx context.Context, lookups []Lookup) error

	// Claim stores e under key if old is there, the zero old being nothing. It
	// returns the entry that is there afterwards and whether this call put it
	// there: of several claims with an equal e one wins all the same. A claim
	// that lost returns what it found then, zero if that has gone since, and
	// need not try again. An error means that nobody knows whether e was
	// stored. e is never zero.
	Claim(ctx context.Context, experiment, key string, old, e Entry) (current Entry, won bool, err error)

	// Save stores e under key, whatever is there. For manual and forced
	// assignments. e is never zero.
	Save(ctx context.Context, experiment, key string, e Entry) error

	// Delete removes the entries under keys. Absent ones are no error.
	Delete(ctx context.Context, experiment string, keys ...string) error

	// Clear removes all entries and counts of one experiment. Counts are those
	// of a [Counter].
	Clear(ctx context.Context, experiment string) error
}

// A Lookup is one entry that [Store.Load] is asked for, and the answer.
type Lookup struct {
	Experiment, Key string

	Entry Entry // the zero Entry says that nothing is stored
	Err   error // the entry is there and can't be read; then Entry is zero
}

// A VariantStore is a [Store] that may be able to keep variant names only, as
// one that shares its layout with another system. Where VariantOnly is true the
// core stores neither open controls nor exclusions, since they would read back
// as final assignments: Load returns the variant and nothing else, and two
// entries count as equal if their variants are. What is copied to a unit's
// newest key is deleted under the older one, as the other system does it.
// Without it a store keeps whole entries.
type VariantStore interface {
	VariantOnly() bool
}

// A Counter counts per experiment. Round robin needs one; the stores here are
// counters too.
type Counter interface {
	// Increment adds by to the experiment's counter called name and returns
	// the new count. A counter that was never incremented is 0. Concurrent
	// callers never get the same count for the same positive by.
	Increment(ctx context.Context, experiment, name string, by int64) (int64, error)
}
