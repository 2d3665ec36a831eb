package conformance

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// Run itself, with the committed report of the reference.
func TestReferenceConforms(t *testing.T) {
	require.True(t, Run(t, over(reference{})).Conformant())
}

// The laws find nothing wrong with what is right, and program no flag that the
// comment of Flag does not allow.
func TestReferencesConform(t *testing.T) {
	for kind, h := range references() {
		t.Run(kind, func(t *testing.T) {
			intact := h.New
			h.New = func(_ *testing.T, f Flag) (core.Rollout, func(Flag)) {
				requireFlag(t, h, f)
				r, set := intact(t, f)
				if set == nil {
					return r, nil
				}
				return r, func(f Flag) {
					requireFlag(t, h, f)
					set(f)
				}
			}
			rec, report := record(t, h.suite())
			require.False(t, rec.failed, rec.text())
			require.True(t, report.Conformant())
			for _, res := range report.Laws {
				require.Equal(t, res.Status == Unsupported, rec.subs[res.Law].skipped != "", res.Law)
			}
		})
	}
}

// requireFlag holds a flag against the comment of Flag.
func requireFlag(t *testing.T, h Harness, f Flag) {
	t.Helper()
	lacks := optOuts(h.Unsupported).lacks
	if f.Missing {
		require.Equal(t, Flag{Experiment: f.Experiment, Missing: true}, f)
		return
	}
	sum, above := 0, 0
	for name, share := range f.Weights {
		sum += share
		if share > 0 {
			above++
		}
		require.False(t, lacks(core.NamesVariants) && name != core.Control && name != core.Candidate, "%+v", f)
	}
	require.Equal(t, 100, sum, "%+v", f)
	switch f.State {
	case core.On:
		require.Equal(t, 1, above, "%+v", f)
		require.Zero(t, f.Weights[core.Control], "%+v", f)
		require.Empty(t, f.Targets, "%+v", f)
	case core.Conditional:
		require.True(t, above > 1 || len(f.Targets) > 0, "%+v", f)
		require.False(t, above > 1 && lacks(core.ExactWeights), "%+v", f)
	}
	require.False(t, f.Targets != nil && lacks(core.Targets), "%+v", f)
}

// What is right under one hash is right under all, and drawing at random is,
// every time. -count repeats it with other ones.
func TestLawsAcquitReferencesOfAnyHash(t *testing.T) {
	salt := fmt.Sprint(rand.Uint64())
	rec, _ := record(t, over(reference{salt: salt}).suite())
	require.False(t, rec.failed, "under the salt %s: %s", salt, rec.text())
}

func TestFlag(t *testing.T) {
	f := Flag{State: core.Off, Weights: map[string]int{"red": 20, core.Control: 50, "blue": 30},
		Targets: map[string]string{"k": "green", "l": core.Control}}
	require.True(t, f.Disabled())
	require.Equal(t, []string{core.Control, "blue", "green", "red"}, f.Names())
	require.False(t, Flag{State: core.Off, Weights: nobody}.Disabled())
	require.False(t, Flag{State: core.On, Weights: all}.Disabled())
	require.Equal(t, []string{core.Control}, Flag{}.Names())
}

// A rollout that refuses a definition beforehand need not fail afterwards.
func TestRefusingAnUnknownVariantConforms(t *testing.T) {
	h := over(reference{})
	making(refusing)(&h)
	rec, report := record(t, h.suite(), "pipeline-unknown-variant")
	require.True(t, report.Conformant(), rec.text())
}

func TestDescriptionThatAgreesPasses(t *testing.T) {
	h := over(reference{})
	describing(core.Capabilities()...)(&h)
	rec, report := record(t, h.suite(), "description")
	require.True(t, report.Conformant(), rec.text())
}

// With a reason, hooks may be nil, and what can't reload is made anew.
func TestOptOutsReplaceHooks(t *testing.T) {
	h := over(reference{})
	making(func(r core.Rollout, _ func(Flag)) (core.Rollout, func(Flag)) { return r, nil })(&h)
	h.NotReady = nil
	h.Unsupported = map[core.Capability]string{
		core.Reloads:         "flags are compiled in",
		core.ReportsNotReady: "flags are always there",
	}
	rec, report := record(t, h.suite(), "reloads", "not-ready", "ramp")
	require.True(t, report.Conformant(), rec.text())
	require.Contains(t, rec.subs["reloads"].skipped, "reloads: flags are compiled in")
	require.Contains(t, rec.subs["not-ready"].skipped, "reports-not-ready: flags are always there")
	require.Equal(t, []Result{
		{Law: "reloads", Status: Unsupported, Needs: needs(core.Reloads)},
		{Law: "not-ready", Status: Unsupported, Needs: needs(core.ReportsNotReady)},
		{Law: "ramp", Status: Passed},
	}, report.Laws)
	require.Contains(t, report.Capabilities, Ability{Capability: core.Reloads, Reason: "flags are compiled in"})
	require.Contains(t, report.Capabilities, Ability{Capability: core.Targets, Supported: true})
}
