package conformance

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
)

// onceOnly answers Off to every unit that was served before.
func onceOnly(h *Harness) {
	var served sync.Map
	deciding(func(d *core.Decision, req core.Request) {
		if _, again := served.LoadOrStore(req.Key, true); again {
			d.State = core.Off
		}
	})(h)
}

// choosy does not fit any experiment.
type choosy struct{ core.Rollout }

func (choosy) Validate(string, []string) error { return errors.New("not this one") }

func pipelineMutants() []mutant {
	return []mutant{
		{law: "pipeline-off", how: "answers conditional", harm: deciding(running)},
		{law: "pipeline-unselected", how: "answers off", harm: deciding(func(d *core.Decision, _ core.Request) {
			if d.Variant == core.Control {
				d.State = core.Off
			}
		})},
		{law: "pipeline-unselected", how: "is outside", harm: deciding(func(d *core.Decision, _ core.Request) {
			d.Outside = d.Variant == core.Control
		})},
		{law: "pipeline-on", how: "control for few", harm: deciding(func(d *core.Decision, req core.Request) {
			if req.Key[0] == '0' {
				d.State, d.Variant = core.Conditional, core.Control
			}
		})},
		{law: "pipeline-on", how: "refuses what fits", harm: func(h *Harness) {
			inner := h.New
			h.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
				r, set := inner(t, f)
				return choosy{r}, set
			}
		}},
		{law: "pipeline-stored-survives", how: "is off for whom it served", harm: onceOnly},
		{law: "pipeline-off-hides", how: "answers conditional", harm: deciding(running)},
		{law: "pipeline-off-hides", how: "is off for good", harm: func(h *Harness) {
			var off atomic.Bool
			deciding(func(d *core.Decision, _ core.Request) {
				if d.State == core.Off {
					off.Store(true)
				}
				if off.Load() {
					d.State = core.Off
				}
			})(h)
		}},
		{law: "pipeline-control-stays", how: "is off for whom it served", harm: onceOnly},
		{law: "pipeline-excluded", how: "is off", harm: deciding(func(d *core.Decision, _ core.Request) { d.State = core.Off })},
		{law: "pipeline-forced", how: "is off for whom it served", harm: onceOnly},
		{law: "pipeline-forced-off", how: "answers conditional", harm: deciding(running)},
		{law: "pipeline-forced-unknown", how: "is off", harm: deciding(func(d *core.Decision, _ core.Request) { d.State = core.Off })},
		{law: "pipeline-missing", how: "answers off", harm: missing(nil)},
		{law: "pipeline-missing", how: "does not wrap", harm: missing(errors.New("404"))},
		{law: "pipeline-not-ready", how: "answers off", harm: unready(nil)},
		{law: "pipeline-unknown-variant", how: "takes it for the candidate", harm: deciding(func(d *core.Decision, req core.Request) {
			if !slices.Contains(req.Variants, d.Variant) {
				d.Variant = core.Candidate
			}
		})},
	}
}
