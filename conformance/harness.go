package conformance

import (
	"maps"
	"slices"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Harness connects one rollout to the suite. It is a struct of funcs, so that
// it can grow. The hooks are called on the goroutine of the test that they get,
// one at a time, so they may call t.Fatal and t.Cleanup.
//
// A flag system may take a while to make a flag known. New and the func that
// it returns come back only once the flag is visible to the rollout; the suite
// asks at once and does not ask twice.
type Harness struct {
	// Name names the report and its golden file: lower-case letters, digits,
	// dots, dashes and underscores, such as "unleash-server".
	Name string

	// New returns a rollout over a flag system that holds exactly f, and a func
	// that reprograms the same system to hold another flag of the same
	// experiment, which that rollout then sees. New may be called again for the
	// same experiment, with the same flag or another one; rollouts returned
	// before are then asked no more, unless the flag is the same. The func is
	// nil where the flag system can't change; [core.Reloads] then needs a
	// reason in Unsupported.
	New func(t *testing.T, f Flag) (r core.Rollout, set func(Flag))

	// NotReady returns a rollout over a flag system that never became ready. nil
	// where there is no such thing; [core.ReportsNotReady] then needs a reason
	// in Unsupported.
	NotReady func(t *testing.T) core.Rollout

	// Unsupported says of each capability that the flag system lacks why it
	// does. The reason is mandatory, shown by every law that is not run for it,
	// and part of the report. A capability that the rollout's own Describe
	// lists can't be opted out of.
	Unsupported map[core.Capability]string

	// Remote says why one evaluation needs I/O, empty where it needs none. It
	// is part of the report. A cancelled ctx may then be answered by an error.
	Remote string
}

// A Flag is what the harness programs into the flag system. Its maps are
// read-only.
type Flag struct {
	// Experiment is the name of the flag, unique per law.
	Experiment string

	// State is the state that the rollout has to find, and so tells what kind
	// of flag to make.
	//
	//	Off          with control below 100 in Weights: disabled, see Disabled
	//	Off          with control at 100: enabled, and selecting nobody
	//	Conditional  two names above 0 in Weights, or Targets
	//	On           one name other than control at 100
	State core.State

	// Weights are the shares of units per variant in percent, control included
	// where it has one; they add up to 100. Without [core.ExactWeights] one
	// name is always at 100. Without [core.NamesVariants] the only names are
	// control, the unselected, and candidate, the selected.
	Weights map[string]int

	// Targets are single units that get a variant whatever the weights say, by
	// Request.Key. nil for most flags, and always without [core.Targets].
	Targets map[string]string

	// Missing says that the flag system is ready and holds no flag of this
	// name. The other fields but Experiment are then zero.
	Missing bool
}

// Disabled reports whether f is switched off although its weights would select
// somebody. A flag system without a switch makes it select nobody instead.
func (f Flag) Disabled() bool { return f.State == core.Off && f.Weights[core.Control] < 100 }

// Names returns the variants of f in a fixed order: control, then all other
// names in Weights and Targets, sorted.
func (f Flag) Names() []string {
	names := map[string]bool{}
	for name := range f.Weights {
		names[name] = true
	}
	for _, name := range f.Targets {
		names[name] = true
	}
	delete(names, core.Control)
	return append([]string{core.Control}, slices.Sorted(maps.Keys(names))...)
}

// boolean returns f with one variant, candidate, in place of all but control:
// what a flag system whose flags are on or off can hold.
func (f Flag) boolean() Flag {
	if f.Weights != nil {
		weights := map[string]int{}
		for name, share := range f.Weights {
			weights[onlyCandidate(name)] += share
		}
		f.Weights = weights
	}
	if f.Targets != nil {
		targets := map[string]string{}
		for key, name := range f.Targets {
			targets[key] = onlyCandidate(name)
		}
		f.Targets = targets
	}
	return f
}

func onlyCandidate(name string) string {
	if name == core.Control {
		return name
	}
	return core.Candidate
}

// Run holds the rollout of h against every law, one subtest each, and returns
// the report. It compares the report with testdata/conformance-<h.Name>.json in
// the folder of the test, and fails if they differ. With ROLLOUTKIT_UPDATE=1 in
// the environment it rewrites that file instead; without the file it logs how
// to write it.
//
// A law fails if its check finds problems, panics or stands still. A law that
// needs a capability that h opts out of is skipped, and shows the reason. The
// suite has no false positives: what it reports is wrong. It may miss things,
// and races show under -race only.
func Run(t *testing.T, h Harness) Report {
	t.Helper()
	return h.suite().run(realT{t}, defaults())
}

func (h Harness) suite() suite[*rolloutSetup] {
	report := Report{Suite: "rollout", Name: h.Name, Remote: h.Remote}
	s := newSuite[*rolloutSetup](report, "Harness", h.Unsupported, core.Capabilities(),
		hook{"New", h.New != nil, ""}, hook{"NotReady", h.NotReady != nil, core.ReportsNotReady})
	s.laws = slices.Concat(stateLaws(), answerLaws(), errorLaws(), splitLaws(), pipelineLaws())
	s.setup = func(s *setup) *rolloutSetup { return &rolloutSetup{setup: s, harness: h} }
	return s
}
