package openfeature

import (
	"errors"
	"fmt"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"
)

// DefaultField is the field of an object flag's value that names the variant,
// unless [Options.Field] says otherwise.
const DefaultField = "variant"

// DefaultStateKey is the key of a flag's metadata under which the flag says its
// state itself, unless [Options.StateKey] says otherwise.
const DefaultStateKey = "state"

// Options say how a [Rollout] asks. nil and the zero value are fine.
type Options struct {
	// Flag returns the key of the flag that decides an experiment, by its full
	// name. It is called for each evaluation, from many goroutines. nil: the
	// key is the full name.
	Flag func(experiment string) string

	// Kind is the type of the flags. The zero value is StringFlags.
	Kind Kind

	// Field is the field of an object flag's value that names the variant: a
	// string, or true for a unit that is selected. "" is DefaultField.
	Field string

	// StateKey is the key of the flag's metadata under which it says "off",
	// "conditional" or "on", which overrides what is made of its reason. "" is
	// DefaultStateKey. Any other word there is an error, so a team that uses
	// the key for something else names another one.
	StateKey string

	// Timeout is how long a provider may take, for those that ignore their ctx.
	// The evaluation then runs on a goroutine of its own, which stays until the
	// provider answers; its ctx is cancelled. 0, the default, calls directly.
	Timeout time.Duration
}

// A Kind is the type of the flags that a [Rollout] evaluates. An OpenFeature
// provider refuses to evaluate a flag as another type than its own.
type Kind uint8

const (
	// StringFlags have the variant's name as their variant, or as their value.
	StringFlags Kind = iota

	// BooleanFlags have the variant's name as their variant. Where that is no
	// variant of the experiment, as with "on" and "off", true selects the unit,
	// and the core spreads selected units over the variants; false is control.
	BooleanFlags

	// ObjectFlags have the variant's name as their variant, or in a field of
	// their value.
	ObjectFlags
)

// String returns "string", "boolean" or "object", and "Kind(n)" for a value
// that is none of them.
func (k Kind) String() string {
	switch k {
	case StringFlags:
		return "string"
	case BooleanFlags:
		return "boolean"
	case ObjectFlags:
		return "object"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// check returns what is wrong with the arguments of New.
func (o *Options) check(client of.IClient) error {
	var faults []error
	if c, is := client.(*of.Client); client == nil || is && c == nil {
		faults = append(faults, errors.New("openfeature: the client is nil"))
	}
	if o.Kind > ObjectFlags {
		faults = append(faults, fmt.Errorf("openfeature: %v is unknown", o.Kind))
	}
	if o.Timeout < 0 {
		faults = append(faults, fmt.Errorf("openfeature: the timeout %v is negative", o.Timeout))
	}
	return errors.Join(faults...)
}
