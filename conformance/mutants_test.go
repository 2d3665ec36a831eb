package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// A mutant is a rollout, or a harness, that breaks one law.
type mutant struct {
	law, how string
	harm     func(h *Harness)
	hangs    bool // for ever, so that the watchdog has to be short
}

// Every law catches a mutant; one that catches none says nothing.
func TestEveryLawCatchesItsMutants(t *testing.T) {
	mutants := slices.Concat(stateMutants(), answerMutants(), errorMutants(), splitMutants(), pipelineMutants())
	for _, l := range Laws() {
		has := slices.ContainsFunc(mutants, func(m mutant) bool { return m.law == l.ID })
		require.True(t, has, "law %s has no mutant", l.ID)
	}
	for _, m := range mutants {
		t.Run(m.law+"/"+strings.ReplaceAll(m.how, " ", "-"), func(t *testing.T) {
			i := slices.IndexFunc(Laws(), func(l Law) bool { return l.ID == m.law })
			require.GreaterOrEqual(t, i, 0, "no such law")
			h, limit := over(reference{}), time.Minute
			if m.hangs {
				limit = time.Second
			}
			m.harm(&h)
			rec := &recorder{t: t}
			report := run(rec, h, Laws()[i:i+1], options{dir: t.TempDir(), limit: limit})
			require.Equal(t, Failed, report.Laws[0].Status)
			require.Len(t, rec.subs[m.law].errors, 1)
			require.Contains(t, rec.subs[m.law].errors[0], Laws()[i].Sentence)
			t.Log(rec.subs[m.law].errors[0])
		})
	}
}

// resolving puts f before the rollouts of a harness.
func resolving(f func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error)) func(*Harness) {
	return func(h *Harness) {
		inner := h.New
		h.New = func(t *testing.T, flag Flag) (core.Rollout, func(Flag)) {
			r, set := inner(t, flag)
			return core.RolloutFunc(func(ctx context.Context, req core.Request) (core.Decision, error) {
				return f(ctx, r, req)
			}), set
		}
	}
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
	return func(h *Harness) {
		inner := h.New
		h.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
			r, set := inner(t, f)
			return described{r, capabilities}, set
		}
	}
}

func stateMutants() []mutant {
	return []mutant{
		{law: "description", how: "lists what the harness opts out of", harm: func(h *Harness) {
			h.Unsupported = map[core.Capability]string{core.Targets: "really not"}
			describing(core.Capabilities()...)(h)
		}},
		{law: "description", how: "leaves out what the harness claims", harm: describing(core.NamesVariants)},
		{law: "description", how: "can't reload and does not say so", harm: func(h *Harness) {
			inner := h.New
			h.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
				r, _ := inner(t, f)
				return r, nil
			}
		}},
		{law: "off-disabled", how: "answers conditional", harm: deciding(running)},
		{law: "off-disabled", how: "is an error", harm: resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
			d, err := inner.Resolve(ctx, req)
			if err == nil && d.State == core.Off {
				err = errors.New("disabled")
			}
			return d, err
		})},
		{law: "off-selects-nobody", how: "answers conditional", harm: deciding(running)},
		{law: "unselected-is-tracked", how: "answers off", harm: deciding(func(d *core.Decision, _ core.Request) {
			if d.Variant == core.Control {
				d.State = core.Off
			}
		})},
		{law: "unselected-is-tracked", how: "is outside", harm: deciding(func(d *core.Decision, _ core.Request) {
			d.Outside = d.State == core.Conditional && d.Variant == core.Control
		})},
		{law: "unselected-is-tracked", how: "selects everybody", harm: deciding(func(d *core.Decision, _ core.Request) {
			d.Variant = core.Candidate
		})},
		{law: "spread-is-conditional", how: "is on since enabled for all", harm: deciding(func(d *core.Decision, _ core.Request) {
			if d.Variant != core.Control {
				d.State = core.On
			}
		})},
		{law: "on-never-control", how: "on with control for few", harm: deciding(func(d *core.Decision, req core.Request) {
			if d.State == core.On && req.Key[0] == '0' {
				d.Variant = core.Control
			}
		})},
		{law: "on-never-control", how: "conditional with control for few", harm: deciding(func(d *core.Decision, req core.Request) {
			if d.State == core.On && req.Key[0] == '0' {
				d.State, d.Variant = core.Conditional, ""
			}
		})},
		{law: "on-never-control", how: "on and drawn", harm: deciding(func(d *core.Decision, _ core.Request) {
			name := d.Variant
			d.Choose = func(context.Context) (string, error) { return name, nil }
		})},
		{law: "on-is-reported", how: "answers conditional", harm: deciding(func(d *core.Decision, _ core.Request) {
			d.State = core.Conditional
		})},
		{law: "on-names-one", how: "on with any variant", harm: deciding(func(d *core.Decision, _ core.Request) {
			d.Variant = core.AnyVariant
		})},
		{law: "on-names-one", how: "on with any variant of a boolean flag", harm: func(h *Harness) {
			*h = references()["boolean"]
			deciding(func(d *core.Decision, _ core.Request) { d.State = core.On })(h)
		}},
		{law: "targets", how: "ignores targets", harm: hashing(func(Flag, *core.Request) {})},
		{law: "targets", how: "is off but for targets", harm: deciding(func(d *core.Decision, _ core.Request) {
			if d.Variant == core.Control {
				d.State = core.Off
			}
		})},
		{law: "targets-control", how: "is on since the rest is", harm: deciding(func(d *core.Decision, _ core.Request) {
			if d.Variant != core.Control {
				d.State = core.On
			}
		})},
	}
}

func answerMutants() []mutant {
	var calls, instances, busy atomic.Int64
	return []mutant{
		{law: "repeats", how: "draws in Resolve", harm: hashing(func(_ Flag, req *core.Request) { req.Key = fmt.Sprint(rand.Int()) })},
		{law: "repeats", how: "fails every other time", harm: resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
			if calls.Add(1)%2 == 0 {
				return core.Decision{}, errors.New("busy")
			}
			return inner.Resolve(ctx, req)
		})},
		{law: "instances-agree", how: "seeds each instance", harm: func(h *Harness) {
			h.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
				return over(reference{salt: fmt.Sprint(instances.Add(1))}).New(t, f)
			}
		}},
		{law: "instances-agree", how: "draws and does not say so", harm: func(h *Harness) { *h = over(reference{draws: true}) }},
		{law: "request-unchanged", how: "sorts the variants", harm: deciding(func(_ *core.Decision, req core.Request) {
			slices.Sort(req.Variants)
		})},
		{law: "request-unchanged", how: "appends a trait in place", harm: deciding(func(_ *core.Decision, req core.Request) {
			_ = append(req.Traits, core.String("key", req.Key))
		})},
		{law: "request-not-kept", how: "keeps the first variants", harm: func(h *Harness) {
			var kept []string
			deciding(func(d *core.Decision, req core.Request) {
				if kept == nil {
					kept = req.Variants
				}
				d.Variant = kept[1]
			})(h)
		}},
		{law: "cancelled-ctx", how: "is an error", harm: resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
			if err := ctx.Err(); err != nil {
				return core.Decision{}, err
			}
			return inner.Resolve(ctx, req)
		})},
		{law: "cancelled-ctx", how: "falls back to off where remote", harm: func(h *Harness) {
			h.Remote = "asks a server"
			resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
				if ctx.Err() != nil {
					return core.Decision{}, nil
				}
				return inner.Resolve(ctx, req)
			})(h)
		}},
		{law: "calm", how: "panics on a short key", harm: deciding(func(d *core.Decision, req core.Request) { d.Reason = req.Key[:8] })},
		{law: "calm", how: "blocks on a missing flag", hangs: true, harm: resolving(
			func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
				d, err := inner.Resolve(ctx, req)
				if errors.Is(err, core.ErrFlagNotFound) {
					select {}
				}
				return d, err
			})},
		{law: "concurrent", how: "mixes callers up", harm: deciding(func(d *core.Decision, _ core.Request) {
			if busy.Add(1) > 1 {
				d.Variant = core.Candidate
			}
			time.Sleep(100 * time.Microsecond)
			busy.Add(-1)
		})},
		{law: "concurrent", how: "panics under load", harm: deciding(func(*core.Decision, core.Request) {
			defer busy.Add(-1)
			if busy.Add(1) > 1 {
				panic("two at a time")
			}
			time.Sleep(100 * time.Microsecond)
		})},
		{law: "reloads", how: "never looks again", harm: func(h *Harness) {
			inner := h.New
			h.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
				r, _ := inner(t, f)
				return r, func(Flag) {}
			}
		}},
		{law: "reloads", how: "remembers each unit", harm: func(h *Harness) {
			var known sync.Map
			resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
				if d, ok := known.Load(req.Key); ok {
					return d.(core.Decision), nil
				}
				d, err := inner.Resolve(ctx, req)
				known.Store(req.Key, d)
				return d, err
			})(h)
		}},
	}
}

func errorMutants() []mutant {
	return []mutant{
		{law: "known-variants", how: "names another for few", harm: deciding(func(d *core.Decision, req core.Request) {
			if strings.HasPrefix(req.Key, "00") {
				d.Variant = "green"
			}
		})},
		{law: "known-variants", how: "any variant where names are known", harm: deciding(func(d *core.Decision, req core.Request) {
			if d.Variant != core.Control {
				d.Variant = core.AnyVariant
			}
		})},
		{law: "known-variants", how: "draws another", harm: deciding(func(d *core.Decision, req core.Request) {
			d.Choose = func(context.Context) (string, error) { return "green", nil }
		})},
		{law: "known-variants", how: "fails to draw", harm: deciding(func(d *core.Decision, req core.Request) {
			d.Choose = func(context.Context) (string, error) { return "", errors.New("no dice") }
		})},
		{law: "known-variants", how: "an unheard-of state", harm: deciding(func(d *core.Decision, _ core.Request) { d.State = 9 })},
		{law: "missing-flag", how: "answers off", harm: missing(nil)},
		{law: "missing-flag", how: "does not wrap", harm: missing(errors.New("404"))},
		{law: "missing-flag", how: "is not ready", harm: missing(core.ErrNotReady)},
		{law: "not-ready", how: "answers off", harm: unready(nil)},
		{law: "not-ready", how: "is missing", harm: unready(core.ErrFlagNotFound)},
	}
}

// missing answers a missing flag with err, nil for Off.
func missing(err error) func(*Harness) {
	return resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
		d, e := inner.Resolve(ctx, req)
		if errors.Is(e, core.ErrFlagNotFound) {
			return core.Decision{}, err
		}
		return d, e
	})
}

// unready answers without flags by err, nil for Off.
func unready(err error) func(*Harness) {
	return func(h *Harness) {
		h.Unready = func(*testing.T) core.Rollout {
			return core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) { return core.Decision{}, err })
		}
	}
}

func splitMutants() []mutant {
	return []mutant{
		{law: "split", how: "moves a sixteenth from red to blue", harm: deciding(func(d *core.Decision, req core.Request) {
			if d.Variant == "red" && req.Key[0] == '0' {
				d.Variant = "blue"
			}
		})},
		{law: "split", how: "loses few outside", harm: deciding(func(d *core.Decision, req core.Request) {
			d.Outside = strings.HasPrefix(req.Key, "000")
		})},
		{law: "split", how: "draws evenly", harm: deciding(func(d *core.Decision, req core.Request) {
			d.Choose = func(context.Context) (string, error) { return req.Variants[rand.IntN(len(req.Variants))], nil }
		})},
		{law: "split-all-or-nothing", how: "misses few of all", harm: deciding(func(d *core.Decision, req core.Request) {
			if strings.HasPrefix(req.Key, "000") {
				d.State, d.Variant = core.Conditional, core.Control
			}
		})},
		{law: "split-all-or-nothing", how: "selects few of nobody", harm: deciding(func(d *core.Decision, req core.Request) {
			if strings.HasPrefix(req.Key, "000") && d.Variant == core.Control {
				d.State, d.Variant = core.Conditional, core.Candidate
			}
		})},
		{law: "split-zero", how: "gives few a variant at zero", harm: deciding(func(d *core.Decision, req core.Request) {
			if strings.HasPrefix(req.Key, "000") {
				d.Variant = "blue"
			}
		})},
		{law: "split-zero", how: "gives few control at zero", harm: deciding(func(d *core.Decision, req core.Request) {
			if strings.HasPrefix(req.Key, "000") {
				d.Variant = core.Control
			}
		})},
		{law: "ramp", how: "draws anew under each weights", harm: hashing(func(f Flag, req *core.Request) { req.Key += fmt.Sprint(f.Weights) })},
		{law: "ramp", how: "cuts one after another", harm: resolving(func(ctx context.Context, inner core.Rollout, req core.Request) (core.Decision, error) {
			r := inner.(*reference)
			f, _ := r.sys.flag(req.Experiment)
			d, in := core.Decision{State: core.Conditional}, r.bucket("in", req)%100
			for _, name := range f.Names() { // the cut between red and blue moves, as control shrinks
				d.Variant = name
				if in -= f.Weights[name]; in < 0 {
					break
				}
			}
			return d, nil
		})},
		{law: "independent", how: "hashes the unit alone", harm: hashing(func(_ Flag, req *core.Request) { req.Experiment = "" })},
	}
}

// running answers disabled flags as running ones that select nobody.
func running(d *core.Decision, _ core.Request) {
	if d.State == core.Off {
		d.State, d.Variant = core.Conditional, core.Control
	}
}
