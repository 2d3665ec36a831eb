package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// A Trial is one subject's encounter with an experiment, from
// [Experiment.For]. It resolves once, at the first Run, Assign, Publish, Track
// or Signature, and all of them agree on what it resolved to. It is for one
// goroutine.
type Trial[S, R any] struct {
	def       *Definition[S, R]
	subject   S
	overrides []override[S, R]
	trial
}

// A behaviour is what a variant does.
type behaviour[S, R any] = func(ctx context.Context, subject S) (R, error)

// An override is a behaviour for one call site.
type override[S, R any] struct {
	variant string
	run     behaviour[S, R]
}

func (t *Trial[S, R]) begin(e *Experiment[S, R], subject S) {
	t.def, t.exp, t.subject = &e.def, e.experiment, subject
}

// ask puts a question to the app's own code, the only code that knows the types
// of a [Trial].
func (t *Trial[S, R]) ask(ctx context.Context, q question, i int) bool {
	switch q {
	case askOptOut:
		return t.exp.client.cfg.OptOut(ctx, t.subject)
	case askUnit:
		t.unit = t.def.Unit(t.subject)
	case askShared:
		return t.exp.client.cfg.Exclusions[i].If(ctx, t.subject)
	case askExclusion:
		return t.def.Exclusions[i].If(ctx, t.subject)
	case askSegment:
		return t.def.Segments[i].If(ctx, t.subject)
	}
	return false
}

// Exclude keeps the unit out, as an exclusion rule would: control, untracked.
// A stored assignment is served all the same unless the definition says
// [ExclusionFirst], but no event leaves. After the trial resolved, Exclude only
// stops its events.
func (t *Trial[S, R]) Exclude() *Trial[S, R] {
	t.excluded = true
	t.a.Tracked = false
	return t
}

// AssignTo gives the unit a variant, whatever the rules and the rollout say,
// and keeps it for good: a segment is mostly the better way. It takes effect
// when the trial resolves, so end with Run or Assign. It does nothing
// while the experiment is off or its rollout fails. A variant that the
// experiment does not have is skipped, and [Assignment.Err] wraps
// [ErrUnknownVariant].
func (t *Trial[S, R]) AssignTo(variant string) *Trial[S, R] {
	if t.changeable("AssignTo") && t.hasVariant("AssignTo", variant) {
		t.manual = variant
	}
	return t
}

// OnlyAssigned closes enrolment at this call site: a unit that has no stored
// assignment gets control, untracked.
func (t *Trial[S, R]) OnlyAssigned() *Trial[S, R] {
	if t.changeable("OnlyAssigned") {
		t.onlyAssigned = true
	}
	return t
}

// Override replaces a variant's behaviour at this call site. A call site cannot
// add variants: an unknown name is skipped, and [Assignment.Err] wraps
// [ErrUnknownVariant]. A nil fn restores the definition's own.
func (t *Trial[S, R]) Override(variant string, fn func(ctx context.Context, subject S) (R, error)) *Trial[S, R] {
	if t.changeable("Override") && t.hasVariant("Override", variant) {
		t.overrides = append(t.overrides, override[S, R]{variant, fn})
	}
	return t
}

// Assign returns what the unit gets, and stores it. No event is sent and no
// behaviour runs.
func (t *Trial[S, R]) Assign(ctx context.Context) Assignment {
	t.resolve(ctx, t.ask)
	return t.a
}

// Publish assigns, sends the assignment event and publishes the signature, each
// once per trial. No behaviour runs.
func (t *Trial[S, R]) Publish(ctx context.Context) Assignment {
	t.resolve(ctx, t.ask)
	t.publish(ctx)
	return t.a
}

// Signature returns what may be told of the assignment outside the process.
func (t *Trial[S, R]) Signature(ctx context.Context) Signature {
	t.resolve(ctx, t.ask)
	return t.a.Signature()
}

// Track sends an event of the app's own. Action is needed; Value, Label,
// Property, Fields, Time and ID are taken as given, and the rest is filled in.
// For an untracked trial it does nothing and returns nil. An error is the
// tracker's, or says that the event has no action or the reserved one.
func (t *Trial[S, R]) Track(ctx context.Context, ev Event) error {
	t.resolve(ctx, t.ask)
	if err := checkAction(t.exp.name, ev.Action); err != nil {
		return err
	}
	if !t.a.Tracked {
		return nil
	}
	return t.exp.emit(ctx, &t.a, ev)
}

// Run assigns, sends the assignment event, publishes, and runs the behaviour of
// the variant. The event is sent once per trial, the behaviour runs at each
// call. The error is the behaviour's alone.
func (t *Trial[S, R]) Run(ctx context.Context) (R, error) {
	if !t.resolved && t.exp.nestedIn(ctx) {
		t.a = Assignment{Experiment: t.exp.name, Variant: Control, Source: SourceError, Err: t.misuse}
		t.a.addErr(ErrNested)
		t.resolved = true
	}
	t.resolve(ctx, t.ask)
	t.publish(ctx)
	value, run := t.behaviour()
	if len(t.exp.around) > 0 && t.a.takesPart() {
		return wrapped(ctx, t.exp, t.a, t.subject, value, run)
	}
	if run == nil {
		return value, nil
	}
	return run(t.exp.entered(ctx), t.subject)
}

// wrapped runs a behaviour inside the Arounds. It is no method of Trial, which
// would then be on the heap for everybody.
func wrapped[S, R any](ctx context.Context, s *experiment, a Assignment, subject S, value R, run behaviour[S, R]) (R, error) {
	c := chain{exp: s, a: a, run: func(ctx context.Context) (err error) {
		if run != nil {
			value, err = run(s.entered(ctx), subject)
		}
		return err
	}}
	c.wrap(ctx, 0)
	if c.state.Load() != chainEnded {
		return value, fmt.Errorf("core: experiment %s: the behaviour of %s panicked, and an Around recovered it", s.name, a.Variant)
	}
	return value, c.err
}

// behaviour returns what the variant does: a value, or a function unless nil.
func (t *Trial[S, R]) behaviour() (value R, run behaviour[S, R]) {
	def := t.def
	value, run = def.Control.Value, def.Control.Run
	for i := range def.Variants { // none is called control, except in an invalid inline definition
		if v := &def.Variants[i]; v.Name == t.a.Variant && v.Name != Control {
			value, run = v.Value, v.Run
		}
	}
	own := run
	for _, o := range t.overrides {
		if o.variant == t.a.Variant {
			if run = o.run; run == nil {
				run = own
			}
		}
	}
	return value, run
}

// publish sends the assignment event and tells the client layer, once.
func (t *trial) publish(ctx context.Context) {
	if t.published {
		return
	}
	t.published = true
	if t.a.Tracked && (t.scope == nil || t.scope.first(t.exp.client, &t.a)) {
		_ = t.exp.emit(ctx, &t.a, Event{Action: ActionAssignment})
	}
	if t.a.takesPart() || t.a.Excluded {
		t.exp.publish(ctx, &t.a)
		if t.scope != nil {
			t.scope.publish(&t.a)
		}
	}
}

// changeable reports whether the trial has yet to resolve.
func (t *trial) changeable(method string) bool {
	if t.resolved {
		t.exp.log(context.Background(), slog.LevelWarn, logMisuse,
			"experiment: a call on a trial that was resolved changes nothing",
			slog.String("call", method))
	}
	return !t.resolved
}

// hasVariant reports whether a call site names a variant that there is.
func (t *trial) hasVariant(method, variant string) bool {
	if t.exp.has(variant) {
		return true
	}
	t.misuse = errors.Join(t.misuse, fmt.Errorf("core: experiment %s: %s(%q): %w; the variants are %q",
		t.exp.name, method, variant, ErrUnknownVariant, t.exp.variants))
	t.exp.log(context.Background(), slog.LevelWarn, logMisuse,
		"experiment: a call site names an unknown variant", slog.String("call", method), slog.String("variant", variant))
	return false
}
