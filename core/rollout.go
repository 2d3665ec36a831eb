package core

import (
	"context"
	"fmt"
)

// The two variant names with a meaning of their own, and the word a flag
// system's adapter uses when its flag selects a unit without naming a variant.
const (
	// Control is the name of the original behaviour. Every experiment has it.
	Control = "control"

	// Candidate is the customary name of the only variant of an A/B test.
	Candidate = "candidate"

	// AnyVariant in [Decision.Variant] says: this unit is selected, and the
	// flag names no variant. The core then spreads selected units evenly over
	// the variants other than control, by key. It is no legal variant name.
	AnyVariant = "*"
)

// State is what a flag system says of an experiment as a whole, whoever asks.
// It is a property of the flag's definition, not of one evaluation. A state
// that is unknown (never ready, flag absent, evaluation failed) is an error of
// [Rollout.Resolve], not a State.
type State uint8

const (
	// Off: the flag is disabled, or able to select nobody. The experiment is
	// inactive: everybody gets control and nothing is tracked or stored.
	Off State = iota

	// Conditional: the experiment is running. The flag selects some units and
	// not others, or selects all of them and spreads them over several
	// variants. A flag system that can't tell On from Conditional says this.
	Conditional

	// On: one and the same variant other than control for everybody. The
	// experiment is resolved.
	On
)

// Enabled reports whether the experiment runs at all: false for Off only.
func (s State) Enabled() bool { return s != Off }

// String returns "off", "conditional" or "on", and "State(n)" for a value that
// is none of them.
func (s State) String() string {
	switch s {
	case Off:
		return "off"
	case Conditional:
		return "conditional"
	case On:
		return "on"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// MarshalText writes the state as [State.String] does.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads "off", "conditional" or "on"; anything else is an error.
func (s *State) UnmarshalText(text []byte) error {
	for _, known := range []State{Off, Conditional, On} {
		if string(text) == known.String() {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("core: %q is no state; the states are off, conditional and on", text)
}

// A Rollout connects experiments to a flag system. One evaluation answers both
// questions an experiment has: is it enabled, and which variant does this unit
// resolve to.
//
// The core calls Resolve at most once per trial, from many goroutines at the
// same time. Whoever implements it keeps these rules, and proves them with
// conformance.Run, which has a law for each in the same words:
//
//   - Off is an untracked control: a disabled flag, or one that can select
//     nobody, answers Off and a nil error.
//   - A unit that a running flag did not select is a tracked control: it
//     answers Conditional with control, not Off.
//   - On never yields control: it names one variant other than control, or
//     AnyVariant where the experiment has one variant.
//   - The same request and the same flag give the same answer, from every
//     instance and in every process. A rollout that draws at random instead
//     answers by [Decision.Choose] and says that it is not deterministic.
//   - Only variants that the experiment has are named.
//   - Weights hold: 20,000 units split as the flag says, 0 never matches and
//     100 always does. Growing all variants in proportion moves units out of
//     control only. Two experiments split independently.
//   - A flag that is absent is an error that wraps [ErrFlagNotFound]. A flag
//     system that was never ready is one that wraps [ErrNotReady].
//   - A request is neither kept nor changed; its slices belong to the caller.
//   - A cancelled ctx does not change what can be decided without I/O.
//   - It does not panic and does not block.
//
// An error makes the core serve control, untracked and unstored. A Rollout must
// pass conformance.Run.
type Rollout interface {
	Resolve(ctx context.Context, r Request) (Decision, error)
}

// A Request is what a flag system may know of one unit in one experiment. It is
// passed by value; implementations neither keep nor change what its slices
// point to.
type Request struct {
	// Experiment is the full name, prefix included.
	Experiment string

	// Key is the anonymous key of the unit, the only identity that leaves the
	// core. Flag systems hash on it. Where a unit migrated, it is the oldest
	// key presented, so that nothing is drawn again.
	Key string

	// Current is the newest key of the unit, the one that its assignment is
	// stored under. It is Key unless the unit migrated. Only a rollout that
	// repeats what another system draws should decide by it: the others would
	// draw a migrated unit again.
	Current string

	// Variants are the names of all behaviours in the order of the definition,
	// control first. Read-only. The core always names control; a rollout that
	// others ask, as the conformance suite does, may find none at all.
	Variants []string

	// Traits are the attributes that the unit chose to share, see
	// [Unit.Traits]. Nothing else leaves the process. Read-only.
	Traits []Attr
}

// A Decision is a rollout's answer to one [Request].
type Decision struct {
	// State is the flag's state. See [State].
	State State

	// Variant is the variant that the unit resolves to: "" or [Control] for
	// control, [AnyVariant] for a unit that the flag selects without naming a
	// variant, else the name of a variant. Ignored when State is Off, when
	// Outside is set and when Choose is.
	Variant string

	// Outside says that the experiment is running but that this unit is no
	// part of it: outside the experiment's traffic, in a holdout, in another
	// group. It gets control, untracked and unstored.
	Outside bool

	// Reason is the flag system's own word for what it did, for logs. The core
	// never interprets it.
	Reason string

	// Choose draws a variant, for rollouts that are not a function of the
	// request, such as random and round robin. The core calls it at most once,
	// and only when nothing else has assigned the unit, so that no draw is
	// wasted on a unit that is stored, excluded or segmented. nil, the usual
	// case, means that Variant holds the answer. An error counts as an error of
	// Resolve.
	Choose func(ctx context.Context) (string, error)
}

// RolloutFunc makes a [Rollout] of a function.
type RolloutFunc func(ctx context.Context, r Request) (Decision, error)

// Resolve calls f.
func (f RolloutFunc) Resolve(ctx context.Context, r Request) (Decision, error) { return f(ctx, r) }

// A Validator is a [Rollout] that can tell beforehand whether it fits an
// experiment. [Define] calls Validate once with the experiment's full name and
// the names of all its behaviours, control first, and refuses the definition on
// an error. Without it, a rollout that doesn't fit is found out when it first
// names a variant that the experiment doesn't have.
type Validator interface {
	Validate(experiment string, variants []string) error
}

// A Describer is a [Rollout] that says what it is and what it can do. The
// conformance suite holds Describe against the opt-outs of a harness, and
// errors carry the name. Without it, errors carry the Go type instead.
type Describer interface {
	Describe() Description
}

// A Description is what a [Describer] says of itself.
type Description struct {
	// Name is a short name of the flag system or the method, such as "percent".
	Name string

	// Detail says for people how this rollout is configured, such as
	// "control 25 %, blue 45 %, red 30 %". Two rollouts of one type with equal
	// descriptions count as the same where [Inline] compares them.
	Detail string

	// Capabilities are what it can do. nil says nothing about them.
	Capabilities []Capability

	// NeedsStore says that the rollout does not give one unit the same variant
	// twice, so that an experiment needs a [Store] to be sticky. [Define]
	// refuses such a rollout on a client without one.
	NeedsStore bool
}

// A Capability is one thing that some flag systems can do and others can't. The
// conformance suite runs the laws that need one unless the harness opts out of
// it with a reason.
type Capability string

const (
	// NamesVariants: a flag names the variant of each unit. Without it flags
	// are boolean, and the rollout answers AnyVariant.
	NamesVariants Capability = "names-variants"
	// ExactWeights: a flag splits units by given percentages.
	ExactWeights Capability = "exact-weights"
	// Targets: a flag can give a single unit a variant by its key.
	Targets Capability = "targets"
	// ReportsOn: On is told apart from Conditional.
	ReportsOn Capability = "reports-on"
	// ReportsMissing: an absent flag is an error that wraps ErrFlagNotFound.
	ReportsMissing Capability = "reports-missing"
	// ReportsNotReady: a flag system that was never ready is an error that
	// wraps ErrNotReady.
	ReportsNotReady Capability = "reports-not-ready"
	// Reloads: a flag can be changed while the rollout is in use.
	Reloads Capability = "reloads"
	// StableRamp: growing all variants in proportion moves nobody from one
	// variant to another.
	StableRamp Capability = "stable-ramp"
	// Deterministic: the same request and flag give the same answer.
	Deterministic Capability = "deterministic"
)

// Capabilities returns all capabilities there are, in a fixed order.
func Capabilities() []Capability {
	return []Capability{NamesVariants, ExactWeights, Targets, ReportsOn, ReportsMissing,
		ReportsNotReady, Reloads, StableRamp, Deterministic}
}
