package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestEveryRolloutLawCatchesItsMutants(t *testing.T) {
	var mutants []mutant[*rolloutSetup]
	for _, m := range slices.Concat(stateMutants, answerMutants, splitMutants, pipelineMutants) {
		h := over(reference{})
		m.harm(&h)
		mutants = append(mutants, mutant[*rolloutSetup]{law: m.law, how: m.how, waits: m.how == "blocks on a missing flag",
			suite: func(*testing.T) suite[*rolloutSetup] { return h.suite() }})
	}
	catch(t, over(reference{}).suite().laws, mutants)
}

// A rolloutMutant breaks a harness of references.
type rolloutMutant struct {
	law, how string
	harm     func(h *Harness)
}

// making changes what New of a harness returns.
func making(f func(r core.Rollout, set func(Flag)) (core.Rollout, func(Flag))) func(*Harness) {
	return func(h *Harness) {
		intact := h.New
		h.New = func(t *testing.T, flag Flag) (core.Rollout, func(Flag)) { return f(intact(t, flag)) }
	}
}

// resolving puts f before the rollouts of a harness.
func resolving(f func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error)) func(*Harness) {
	return making(func(r core.Rollout, set func(Flag)) (core.Rollout, func(Flag)) {
		return core.RolloutFunc(func(ctx context.Context, req core.Request) (core.Decision, error) {
			return f(ctx, r, req)
		}), set
	})
}

// deciding changes the decisions of a harness.
func deciding(f func(d *core.Decision, req core.Request)) func(*Harness) {
	return resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
		d, err := inner.Resolve(ctx, req)
		if err == nil {
			f(&d, req)
		}
		return d, err
	})
}

// hashing changes the request that a reference hashes, given the flag, without
// changing which flag it looks up.
func hashing(f func(flag Flag, req *core.Request)) func(*Harness) {
	return resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
		d, err := inner.Resolve(ctx, req)
		if err != nil || !d.State.Enabled() {
			return d, err
		}
		r := inner.(*reference)
		flag, _ := r.sys.flag(req.Experiment)
		f(flag, &req)
		d.Variant = pick(flag, r.bucket("in", req)%100, r.bucket("which", req)%10_000)
		return d, nil
	})
}

type described struct {
	core.Rollout
	capabilities []core.Capability
}

func (d described) Describe() core.Description {
	return core.Description{Name: "described", Capabilities: d.capabilities}
}

func describing(capabilities ...core.Capability) func(*Harness) {
	return making(func(r core.Rollout, set func(Flag)) (core.Rollout, func(Flag)) {
		return described{r, capabilities}, set
	})
}

// choosy does not fit any experiment.
type choosy struct{ core.Rollout }

func (choosy) Validate(string, []string) error { return errors.New("not this one") }

func refusing(r core.Rollout, set func(Flag)) (core.Rollout, func(Flag)) { return choosy{r}, set }

// failing answers by err, nil for Off, instead of by an error that wraps want.
func failing(want, err error) func(*Harness) {
	return func(h *Harness) {
		fail := func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
			d, e := inner.Resolve(ctx, req)
			if errors.Is(e, want) {
				return core.Decision{}, err
			}
			return d, e
		}
		resolving(fail)(h)
		h.NotReady = func(*testing.T) core.Rollout {
			return core.RolloutFunc(func(ctx context.Context, req core.Request) (core.Decision, error) {
				return fail(ctx, &reference{}, req)
			})
		}
	}
}

// running answers disabled flags as running ones that select nobody.
func running(d *core.Decision, _ core.Request) {
	if d.State == core.Off {
		d.State, d.Variant = core.Conditional, core.Control
	}
}

func off(d *core.Decision, _ core.Request) { d.State = core.Off }

func offForControl(d *core.Decision, _ core.Request) {
	if d.Variant == core.Control {
		d.State = core.Off
	}
}

func onForVariants(d *core.Decision, _ core.Request) {
	if d.Variant != core.Control {
		d.State = core.On
	}
}

// onceOnly answers Off to every unit that was served before.
func onceOnly(h *Harness) {
	var served sync.Map
	deciding(func(d *core.Decision, req core.Request) {
		if _, again := served.LoadOrStore(req.Key, true); again {
			d.State = core.Off
		}
	})(h)
}

// forFew gives the units whose keys begin with prefix another variant.
func forFew(prefix, variant string) func(*Harness) {
	return deciding(func(d *core.Decision, req core.Request) {
		if strings.HasPrefix(req.Key, prefix) {
			d.State, d.Variant = core.Conditional, variant
		}
	})
}

func drawing(variant string, err error) func(*Harness) {
	return deciding(func(d *core.Decision, _ core.Request) {
		d.Choose = func(context.Context) (string, error) { return variant, err }
	})
}

var stateMutants = []rolloutMutant{
	{"description", "lists what the harness opts out of", func(h *Harness) {
		h.Unsupported = map[core.Capability]string{core.Targets: "really not"}
		describing(core.Capabilities()...)(h)
	}},
	{"description", "leaves out what the harness claims", describing(core.NamesVariants)},
	{"description", "can't reload and does not say so", making(func(r core.Rollout, _ func(Flag)) (core.Rollout, func(Flag)) {
		return r, nil
	})},
	{"off-disabled", "answers conditional", deciding(running)},
	{"off-disabled", "is an error", resolving(func(context.Context, core.Rollout, core.Request) (core.Decision, error) {
		return core.Decision{}, errors.New("disabled")
	})},
	{"off-selects-nobody", "answers conditional", deciding(running)},
	{"unselected-is-tracked", "answers off", deciding(offForControl)},
	{"unselected-is-tracked", "is outside", deciding(func(d *core.Decision, _ core.Request) { d.Outside = d.Variant == core.Control })},
	{"unselected-is-tracked", "selects everybody", deciding(func(d *core.Decision, _ core.Request) { d.Variant = core.Candidate })},
	{"spread-is-conditional", "is on since enabled for all", deciding(onForVariants)},
	{"on-never-control", "control for few", forFew("0", core.Control)},
	{"on-never-control", "on and drawn", drawing(core.Candidate, nil)},
	{"on-is-reported", "answers conditional", forFew("", core.Candidate)},
	{"on-names-one", "on with any variant", deciding(func(d *core.Decision, _ core.Request) { d.Variant = core.AnyVariant })},
	{"on-names-one", "on with any variant of a boolean flag", func(h *Harness) {
		*h = references()["boolean"]
		deciding(func(d *core.Decision, _ core.Request) { d.State = core.On })(h)
	}},
	{"targets", "ignores targets", hashing(func(Flag, *core.Request) {})},
	{"targets-control", "is on since the rest is", deciding(onForVariants)},
}

var calls, busy atomic.Int64

var answerMutants = []rolloutMutant{
	{"repeats", "draws in Resolve", hashing(func(_ Flag, req *core.Request) { req.Key = fmt.Sprint(rand.Int()) })},
	{"instances-agree", "seeds each instance", func(h *Harness) {
		h.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
			return over(reference{salt: fmt.Sprint(calls.Add(1))}).New(t, f)
		}
	}},
	{"instances-agree", "draws and does not say so", func(h *Harness) { *h = over(reference{draws: true}) }},
	{"request-unchanged", "sorts the variants", deciding(func(_ *core.Decision, req core.Request) { slices.Sort(req.Variants) })},
	{"request-unchanged", "appends a trait in place", deciding(func(_ *core.Decision, req core.Request) {
		_ = append(req.Traits, core.String("key", req.Key))
	})},
	{"request-not-kept", "keeps the first variants", func(h *Harness) {
		var kept []string
		deciding(func(d *core.Decision, req core.Request) {
			if kept == nil {
				kept = req.Variants
			}
			d.Variant = kept[1]
		})(h)
	}},
	{"cancelled-ctx", "is an error", resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
		if err := ctx.Err(); err != nil {
			return core.Decision{}, err
		}
		return inner.Resolve(ctx, req)
	})},
	{"cancelled-ctx", "falls back to off where remote", func(h *Harness) {
		h.Remote = "asks a server"
		resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
			if ctx.Err() != nil {
				return core.Decision{}, nil
			}
			return inner.Resolve(ctx, req)
		})(h)
	}},
	{"calm", "panics on a short key", deciding(func(d *core.Decision, req core.Request) { d.Reason = req.Key[:8] })},
	{"calm", "blocks on a missing flag", resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
		d, err := inner.Resolve(ctx, req)
		if errors.Is(err, core.ErrFlagNotFound) {
			time.Sleep(time.Hour)
		}
		return d, err
	})},
	{"concurrent", "mixes callers up", deciding(func(d *core.Decision, _ core.Request) {
		if busy.Add(1) > 1 {
			d.Variant = core.Candidate
		}
		time.Sleep(20 * time.Microsecond)
		busy.Add(-1)
	})},
	{"reloads", "never looks again", making(func(r core.Rollout, _ func(Flag)) (core.Rollout, func(Flag)) {
		return r, func(Flag) {}
	})},
	{"known-variants", "names another for few", forFew("00", "green")},
	{"known-variants", "draws another", drawing("green", nil)},
	{"known-variants", "fails to draw", drawing("", errors.New("no dice"))},
	{"known-variants", "an unheard-of state", deciding(func(d *core.Decision, _ core.Request) { d.State = 9 })},
	{"missing-flag", "answers off", failing(core.ErrFlagNotFound, nil)},
	{"missing-flag", "is not ready", failing(core.ErrFlagNotFound, core.ErrNotReady)},
	{"not-ready", "answers off", failing(core.ErrNotReady, nil)},
	{"not-ready", "is missing", failing(core.ErrNotReady, core.ErrFlagNotFound)},
}

var splitMutants = []rolloutMutant{
	{"split", "moves a sixteenth from red to blue", deciding(func(d *core.Decision, req core.Request) {
		if d.Variant == "red" && req.Key[0] == '0' {
			d.Variant = "blue"
		}
	})},
	{"split", "loses few outside", deciding(func(d *core.Decision, req core.Request) { d.Outside = strings.HasPrefix(req.Key, "000") })},
	{"split-all-or-nothing", "misses few of all", forFew("000", core.Control)},
	{"split-all-or-nothing", "selects few of nobody", forFew("000", core.Candidate)},
	{"split-zero", "gives few a variant at zero", forFew("000", "blue")},
	{"split-zero", "gives few control at zero", forFew("000", core.Control)},
	{"ramp", "draws anew under each weights", hashing(func(f Flag, req *core.Request) { req.Key += strconv.Itoa(f.Weights[core.Control]) })},
	{"independent", "hashes the unit alone", hashing(func(_ Flag, req *core.Request) { req.Experiment = "" })},
}

var pipelineMutants = []rolloutMutant{
	{"pipeline-off", "answers conditional", deciding(running)},
	{"pipeline-unselected", "answers off", deciding(offForControl)},
	{"pipeline-on", "control for few", forFew("0", core.Control)},
	{"pipeline-on", "refuses what fits", making(refusing)},
	{"pipeline-stored-survives", "is off for whom it served", onceOnly},
	{"pipeline-off-hides", "answers conditional", deciding(running)},
	{"pipeline-control-stays", "is off for whom it served", onceOnly},
	{"pipeline-excluded", "is off", deciding(off)},
	{"pipeline-forced", "is off for whom it served", onceOnly},
	{"pipeline-forced-off", "answers conditional", deciding(running)},
	{"pipeline-forced-unknown", "is off", deciding(off)},
	{"pipeline-missing", "answers off", failing(core.ErrFlagNotFound, nil)},
	{"pipeline-not-ready", "does not wrap", failing(core.ErrNotReady, errors.New("503"))},
	{"pipeline-unknown-variant", "takes it for the candidate", forFew("", core.Candidate)},
}
