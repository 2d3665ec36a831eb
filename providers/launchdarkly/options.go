package launchdarkly

import (
	"context"
	"fmt"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"

	"github.com/rolloutkit/rolloutkit/core"
)

// DefaultKind is the kind of LaunchDarkly context that a unit becomes, unless
// [Options.Kind] says otherwise. It is a kind of its own, so that anonymous
// keys don't mix with the users that LaunchDarkly knows.
const DefaultKind = "experiment-unit"

// DefaultField is the field of a JSON flag's value that names the variant,
// unless [Options.Field] says otherwise.
const DefaultField = "variant"

// Options say how experiments and units look to LaunchDarkly. nil and the zero
// value are fine. [New] and [NewTracker] on one client are given the same, so
// that evaluations and events agree.
type Options struct {
	// Flag returns the key of the flag that decides an experiment, by its full
	// name. It is called for each evaluation, from many goroutines. nil: the
	// key is the full name. A name with a "/" needs it, since no flag key has
	// one.
	Flag func(experiment string) string

	// Field is the field of a JSON flag's value that names the variant: a
	// string, or true for a unit that is selected. "" is DefaultField. String
	// and boolean flags need none.
	Field string

	// Kind is the kind of context that a unit becomes. "" is DefaultKind. The
	// flag's percentage rollouts, experiments and targets have to be of that
	// kind, or of one in Kinds: LaunchDarkly's own default is "user".
	Kind string

	// KeyTrait names the trait that is the key of the context, for teams whose
	// flags target a key of their own, such as the user id. It is then no
	// attribute. "" is the unit's anonymous key. A unit without the trait is an
	// error: control, untracked.
	KeyTrait string

	// Kinds are further kinds of context, each with the trait that is its key:
	// {"organization": "org_id"}. A unit that has such a trait becomes a
	// multi-kind context; a unit without it lacks the kind. Traits whose name
	// begins with the kind and a dot, as in "organization.plan", are attributes
	// of that kind; all others are those of the unit's own.
	Kinds map[string]string

	// Private are the names of traits that flags may look at and that no event
	// carries to LaunchDarkly.
	Private []string

	// Exposure says whose events count a unit as exposed. The zero value is
	// ExposureOurs.
	Exposure Exposure

	// Definitions let the rollout see what a flag says, not only what it
	// answered: make them with [DataStore], and give them to the client's
	// config too. nil: a flag that is fully on looks like one that splits, and
	// is taken for running.
	Definitions *Definitions

	// EventKey returns the key under which the [Tracker] sends an event, "" for
	// one that is not to be sent. nil: the event's Action.
	EventKey func(e core.Event) string

	// EventContext returns the context that the [Tracker] sends an event for.
	// nil: one of Kind with the unit's key, which is what was evaluated unless
	// KeyTrait is set. With KeyTrait it is needed, since events know no traits.
	EventContext func(ctx context.Context, e core.Event) (ldcontext.Context, error)
}

// An Exposure says whose events count a unit as exposed to an experiment. The
// package comment tells what each choice does to LaunchDarkly's results.
type Exposure uint8

const (
	// ExposureOurs: assignment events only. Evaluations send no event to
	// LaunchDarkly.
	ExposureOurs Exposure = iota

	// ExposureLaunchDarkly: LaunchDarkly's own events only, one for each
	// evaluation. The Tracker drops assignment events.
	ExposureLaunchDarkly

	// ExposureBoth: each evaluation sends LaunchDarkly's event, and the Tracker
	// sends assignment events.
	ExposureBoth
)

// String returns "ours", "launchdarkly" or "both", and "Exposure(n)" for a
// value that is none of them.
func (e Exposure) String() string {
	switch e {
	case ExposureOurs:
		return "ours"
	case ExposureLaunchDarkly:
		return "launchdarkly"
	case ExposureBoth:
		return "both"
	}
	return fmt.Sprintf("Exposure(%d)", uint8(e))
}
