package openfeature

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
)

var _ of.Hook = (*Hook)(nil)

// A Hook sends assignment events for the flags that an app evaluates through
// OpenFeature itself. Make one with [NewHook], and add it once: to the API, where
// it sees every evaluation, or to a client. It is safe for many goroutines and
// starts none.
//
// Each evaluation sends at most one event, the one that the core would send for
// the same assignment: with the unit's anonymous key and, for the same unit and
// variant, with the same ID, so that consumers count a repetition once. The
// assignment is what the flag system answered; it is not looked up in the store,
// and not kept. In a request scope, such as that of core/web, an event goes out
// once per request.
//
// Nothing is sent for an evaluation
//
//   - that failed, so that the app got its default: because of the provider, or
//     of any hook, even one that failed after the provider had answered;
//   - with reason DISABLED, or STATIC with control: the experiment is off;
//   - with reason DEFAULT: the flag had nothing to say about this unit;
//   - without a targeting key: nobody is there to count;
//   - in a request scope that is silent, as where the visitor asks not to be
//     tracked;
//   - that [ExcludedBy] excludes, or of a flag that is no experiment by
//     [OnlyFlags] or [NamedBy];
//   - by a [Rollout], or answered by a [Provider] in this process or another,
//     since the core has sent the event then.
//
// An event that can't be sent never disturbs the app's evaluation. The client's
// logger is told, at most once a minute for each flag.
type Hook struct {
	of.UnimplementedHook // Before and After have nothing to do, see Finally
	client               *core.Client
	experiment           func(flag string) string
	unit                 func(of.EvaluationContext) core.Unit
	excluded             func(context.Context, of.HookContext) bool
	controls             []string
	field, stateKey      string
	memory               memory
	failures             failures
	log                  throttledLog
}

// A HookOption changes what a [Hook] records.
type HookOption func(*Hook)

// OnlyFlags makes a hook record these flags and no others, each as the
// experiment of the same name. Most apps want it: without it, every flag is
// taken for an experiment.
func OnlyFlags(flags ...string) HookOption {
	flags = slices.Clone(flags)
	return NamedBy(func(flag string) string {
		if slices.Contains(flags, flag) {
			return flag
		}
		return ""
	})
}

// NamedBy makes a hook record a flag as the experiment of the full name that fn
// returns, and not at all where that is "". Names of experiments are lower case:
// flags that are called otherwise need it.
func NamedBy(fn func(flag string) string) HookOption { return func(h *Hook) { h.experiment = fn } }

// UnitBy makes a hook take the unit of an evaluation from fn. Without it, that is
// core.Actor of the targeting key. An experiment that counts the same units by
// Define has to have the same unit there.
func UnitBy(fn func(of.EvaluationContext) core.Unit) HookOption {
	return func(h *Hook) { h.unit = fn }
}

// ExcludedBy keeps evaluations out for which fn returns true: of employees, of
// robots, of people who did not consent. A panic counts as true.
func ExcludedBy(fn func(ctx context.Context, evaluation of.HookContext) bool) HookOption {
	return func(h *Hook) { h.excluded = fn }
}

// ControlNamed says how flags name their control where that is not "control",
// such as "off" or "baseline". The events say control.
func ControlNamed(names ...string) HookOption {
	return func(h *Hook) { h.controls = append(h.controls, names...) }
}

// NewHook returns a hook that sends its events through client. The experiments
// need not be defined on it; for those that are, only variants they have are
// recorded.
func NewHook(client *core.Client, options ...HookOption) *Hook {
	h := &Hook{
		client:     client,
		experiment: func(flag string) string { return flag },
		unit:       func(c of.EvaluationContext) core.Unit { return core.Actor(c.TargetingKey()) },
		excluded:   func(context.Context, of.HookContext) bool { return false },
		field:      DefaultField,
		stateKey:   DefaultStateKey,
		log:        newThrottledLog(client, "experiment: an evaluation was not recorded"),
	}
	for _, set := range options {
		if set != nil {
			set(h)
		}
	}
	return h
}

// Error notes that an evaluation failed, for Finally.
func (h *Hook) Error(_ context.Context, about of.HookContext, _ error, hints of.HookHints) {
	if hints.Value(RolloutHint) == nil {
		h.failures.add(about)
	}
}

// Finally sends the event. The SDK calls it last, when no other hook can make
// the app get its default any more. It is not After that sends, since an After
// of another hook may still fail, and since an error of After would itself make
// the app get its default.
func (h *Hook) Finally(ctx context.Context, about of.HookContext, got of.InterfaceEvaluationDetails, hints of.HookHints) {
	if hints.Value(RolloutHint) != nil || h.failures.take(about) ||
		got.ErrorCode != "" || got.Reason == of.ErrorReason || got.Reason == of.DefaultReason || recorded(got.FlagMetadata) {
		return
	}
	defer func() {
		if p := recover(); p != nil { // of the options' funcs; the SDK does not recover
			h.log.warn(ctx, about.FlagKey(), panicked(p))
		}
	}()
	if err := h.record(ctx, about, &got); err != nil {
		h.log.warn(ctx, about.FlagKey(), err)
	}
}

func (h *Hook) record(ctx context.Context, about of.HookContext, got *of.InterfaceEvaluationDetails) error {
	if h.client == nil {
		return errors.New("openfeature: the hook has no core.Client")
	}
	experiment := h.experiment(about.FlagKey())
	if experiment == "" || h.isExcluded(ctx, about) {
		return nil
	}
	q := question{flag: about.FlagKey(), variants: h.client.Variants(experiment), stateKey: h.stateKey}
	a := answer{ResolutionDetail: got.ResolutionDetail, says: h.names(got)}
	if slices.Contains(h.controls, a.Variant) {
		a.Variant = core.Control
	}
	if slices.Contains(h.controls, a.says) {
		a.says = core.Control
	}
	if a.Variant == "" && a.says == "" {
		return fmt.Errorf("openfeature: flag %q names no variant, and its value is empty", q.flag)
	}
	if q.variants == nil {
		// Any name will do. That of a boolean flag's variant is mostly "on".
		q.variants = []string{core.Control, core.Candidate}
		if name := cmp.Or(a.Variant, a.says); got.FlagType != of.Boolean && name != core.AnyVariant && name != core.Control {
			q.variants[1] = name
		}
	}
	var d core.Decision
	if err := h.memory.decide(&q, &a, &d); err != nil {
		return fmt.Errorf("openfeature: %w", err)
	}
	if d.State.Enabled() && d.Variant == core.AnyVariant && len(q.variants) > 2 {
		return fmt.Errorf("openfeature: flag %q says true, which is any of the variants %q of experiment %s", q.flag, q.variants[1:], experiment)
	}
	return h.client.TrackAssignment(ctx, experiment, h.unit(about.EvaluationContext()), d)
}

// names returns what the value of an evaluation names.
func (h *Hook) names(got *of.InterfaceEvaluationDetails) string {
	switch value := got.Value.(type) {
	case int64, float64:
		return fmt.Sprint(value)
	default:
		return objectName(value, h.field)
	}
}

// isExcluded asks ExcludedBy.
func (h *Hook) isExcluded(ctx context.Context, about of.HookContext) (yes bool) {
	defer func() {
		if p := recover(); p != nil {
			h.log.warn(ctx, about.FlagKey(), panicked(p))
			yes = true
		}
	}()
	return h.excluded(ctx, about)
}

// failures are evaluations that failed and whose Finally is to come. The SDK
// gives a hook nothing to carry from one stage to the next, so they are known by
// what both stages see. Two evaluations of one flag for one unit at the same time
// are alike, and so is their event.
type failures struct {
	mu    sync.Mutex
	count map[evaluation]int
}

type evaluation struct{ domain, flag, unit string }

// maxFailures bounds what a hook of somebody else's that panics, and so keeps
// Finally from being called, can leave behind.
const maxFailures = 10_000

func evaluationOf(about of.HookContext) evaluation {
	return evaluation{about.ClientMetadata().Domain(), about.FlagKey(), about.EvaluationContext().TargetingKey()}
}

func (f *failures) add(about of.HookContext) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil || len(f.count) >= maxFailures {
		f.count = map[evaluation]int{}
	}
	f.count[evaluationOf(about)]++
}

// take reports whether the evaluation failed, and forgets it.
func (f *failures) take(about of.HookContext) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.count) == 0 {
		return false
	}
	e := evaluationOf(about)
	n := f.count[e]
	switch {
	case n > 1:
		f.count[e] = n - 1
	case n == 1:
		delete(f.count, e)
	}
	return n > 0
}
