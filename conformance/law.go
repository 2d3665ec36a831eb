package conformance

import (
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Law is one rule of [core.Rollout], as data: the runner makes the flags and
// tells the test what the check found.
type Law struct {
	// ID names the law: in the report, as the subtest, in -run.
	ID string

	// Sentence is the rule, in the words of the comment that states it.
	Sentence string

	// Needs are the capabilities without which the law says nothing. The
	// harness opts out of them with a reason.
	Needs []core.Capability

	// Flags are what the check can ask the flag system to hold. Experiment is
	// a suffix only; the runner puts a name before it that no other law has. A
	// harness without [core.NamesVariants] gets candidate in place of every
	// name but control.
	Flags []Flag

	// Variants are those of the experiment, control first. nil: those that the
	// flags name.
	Variants []string

	// check returns what is wrong, nil for nothing. It knows nothing of tests.
	check func(s *setup) []string
}

// Laws returns the laws of [Run] in the order in which it runs them.
func Laws() []Law {
	return slices.Concat(stateLaws(), answerLaws(), errorLaws(), splitLaws(), pipelineLaws())
}
