package core

import (
	"errors"
	"fmt"
)

var (
	// ErrFlagNotFound: the flag system is ready and knows no such flag.
	ErrFlagNotFound = errors.New("flag not found")

	// ErrNotReady: the flag system has no flags to evaluate: it never
	// connected, and has nothing cached.
	ErrNotReady = errors.New("flag system not ready")

	// ErrUnknownVariant: a flag, a stored entry or a call names a variant that
	// the experiment does not have.
	ErrUnknownVariant = errors.New("unknown variant")

	// ErrNested: the experiment ran inside another one's behaviour, which
	// [NestingForbidden] does not allow.
	ErrNested = errors.New("experiment nested in another")
)

// A RolloutError is the failure of one rollout for one experiment. It is what
// [Assignment.Err] holds after a failed evaluation; the flag system's own error
// stays reachable by errors.As.
type RolloutError struct {
	Provider   string // Description.Name, or the rollout's Go type
	Experiment string // full name
	Err        error
}

// Error returns "provider: experiment name: cause".
func (e *RolloutError) Error() string {
	return fmt.Sprintf("%s: experiment %s: %v", e.Provider, e.Experiment, e.Err)
}

// Unwrap returns the cause.
func (e *RolloutError) Unwrap() error { return e.Err }
