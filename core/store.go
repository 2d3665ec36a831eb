package core

import "context"

// An Entry is one stored assignment. Two entries are equal if == says so.
type Entry struct {
	// Variant is the name of the assigned variant; Control is stored like any
	// other. It is never empty.
	Variant string

	// Previous is the variant that an open control's unit had before a ramp
	// moved it: Control, or empty where nothing moved.
	Previous string

	// Origin says how the entry began: SourceManual, SourceForced,
	// SourceSegmented, SourceResolved or SourceExcluded. The zero Source, from
	// stores that keep variant names only, says that nobody knows.
	Origin Source

	// Final is false only for an open control: a control that a later ramp may
	// still move.
	Final bool

	// Under belongs to an open control: the first 8 hex digits of the
	// Request.Key that it was resolved under. Empty otherwise.
	Under string
}

// A Store keeps assignments, so that a unit keeps its variant when weights,
// rules or the flag change. It is called from many goroutines and, for shared
// stores, processes at the same time.
//
// Experiments are full names, keys are anonymous keys: lower-case hex of 32 to
// 128 digits from the core, and any other text without control characters
// where a [KeyScheme] makes them. Implementations keep these rules, and prove
// them with conformance.RunStore, which has a law for each:
//
//   - What Claim stored, Load returns: every field, unknown variants included.
//   - Claim is compare-and-set: of any number of callers with the same old,
//     one entry stands, and each is told which.
//   - A value that can't be read is an error of Load, never an absence, and
//     nothing is written over it by Load or Claim.
//   - An operation returns at the deadline of its ctx. A store that does no I/O
//     need not look at it.
//   - Clear touches one experiment only.
//   - A failed operation never looks like an absence: it is an error, unless
//     the store knows the answer otherwise.
//   - Entries may expire. An entry that expired is absent. A write, a copy
//     included, gives an entry its whole time.
//
// The core treats every error as "unknown": it decides without the store,
// marks the event degraded and writes nothing. A Store must pass
// conformance.RunStore.
type Store interface {
	// Load returns the entry under key. Failing that, it copies the entry of
	// the first of older that has one to key, and returns what then stands
	// under key. Copies: processes that don't know the new key yet still read
	// the old one; it ages out. others are those of older that hold another
	// variant than the one returned, open controls excepted. ok is false if
	// there is none; then e and others are zero. older is read-only and mostly
	// nil.
	Load(ctx context.Context, experiment, key string, older []string) (e Entry, others []string, ok bool, err error)

	// Claim stores e under key if nothing or an entry equal to old stands
	// there, and returns what stands afterwards. The zero old matches nothing
	// but absence. An error means that nobody knows whether it was stored.
	Claim(ctx context.Context, experiment, key string, old, e Entry) (Entry, error)

	// Save stores e under key, whatever stands there. For manual and forced
	// assignments.
	Save(ctx context.Context, experiment, key string, e Entry) error

	// Delete removes the entries under keys. Absent ones are no error.
	Delete(ctx context.Context, experiment string, keys ...string) error

	// Clear removes all entries and counts of one experiment.
	Clear(ctx context.Context, experiment string) error
}

// A VariantStore is a [Store] that may be able to keep variant names only, as
// one that shares its layout with another system. Where VariantOnly is true the
// core stores neither open controls nor exclusions, since they would read back
// as final assignments: Load returns the variant and Final, and no Origin. Two
// entries are then equal if their variants are, and a Claim that stored e
// returns e as it was given. Without it a store keeps whole entries.
type VariantStore interface {
	VariantOnly() bool
}

// A BatchLoader is a [Store] that reads many assignments in one round trip, for
// a page that shows many experiments. Each result is what Load would have
// returned. Without it the core calls Load for each.
type BatchLoader interface {
	// LoadBatch returns one Loaded per Lookup, in the same order.
	LoadBatch(ctx context.Context, lookups []Lookup) []Loaded
}

// A Lookup holds the arguments of one [Store.Load].
type Lookup struct {
	Experiment, Key string
	Older           []string
}

// A Loaded holds the results of one [Store.Load].
type Loaded struct {
	Entry  Entry
	Others []string
	OK     bool
	Err    error
}

// A Counter counts per experiment. Round robin needs one; the stores here are
// counters too.
type Counter interface {
	// Increment adds by to the experiment's counter called name and returns
	// the new count. A counter that was never incremented is 0. Concurrent
	// callers never get the same count for the same positive by.
	Increment(ctx context.Context, experiment, name string, by int64) (int64, error)
}
