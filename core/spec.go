package core

import (
	"context"
	"errors"
	"fmt"
)

// An identity is what a subject is to an experiment: its keys, newest first,
// and what it shares. The zero identity is an anonymous visitor.
type identity struct {
	key    string
	older  []string
	twins  int // the first of older: the unit itself under previous secrets
	traits []Attr

	scope   *scoped  // nil outside of one
	visitor *Visitor // the cookie, of a unit that has an actor; nil for none
	guest   bool     // the visitor is the actor
	kept    bool     // the store has what stands
	asking  asking
}

// Asking says which code of somebody else's is asked who a subject is.
type asking uint8

const (
	askingUnit asking = iota
	askingScope
	askingScheme
)

// String returns the name for an error.
func (a asking) String() string { return [...]string{"Unit", "the scope", "KeyScheme"}[a] }

// kind returns the name for the log.
func (a asking) kind() string { return [...]string{"unit", "scope", "key scheme"}[a] }

// oldest returns the key that the rollout decides by, so that nothing is drawn
// again when a unit migrates.
func (w *identity) oldest() string {
	if n := len(w.older); n > 0 {
		return w.older[n-1]
	}
	return w.key
}

// under returns the part of the rollout's key that an open control keeps.
func under(key string) string { return key[:min(len(key), underDigits)] }

// identify asks the definition for the subject's unit, and the scope, unless
// nil, for the visitor; it makes one where mint is set. An error is a fault of
// the unit.
func (e *Experiment[S, R]) identify(ctx context.Context, scope *scoped, subject S, mint bool, who *identity) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.panicked(ctx, who.asking.kind(), "", p)
			err = fmt.Errorf("core: experiment %s: %v panicked: %s", e.name, who.asking, panicText(p))
		}
	}()
	u := e.def.Unit(subject)
	if scope != nil {
		who.asking = askingScope
		scope.visit(e.name, &u, mint, who)
	}
	if err = e.client.keys.identify(e.name, &u, who); err != nil {
		err = fmt.Errorf("core: experiment %s: %w", e.name, err)
	}
	return err
}

// ask asks Enabled and the rollout, and leaves in d a decision that holds: its
// state is valid and its variant is one of the experiment's, Control where the
// rollout named none. After an error d is zero.
func (s *spec) ask(ctx context.Context, who *identity, d *Decision) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(ctx, "rollout", "", p)
			err = fmt.Errorf("panic: %s", panicText(p))
		}
		if err != nil {
			*d, err = Decision{}, s.rolloutError(err)
		}
	}()
	if s.enabled != nil && !s.enabled(ctx) {
		return nil
	}
	got, err := s.rollout.Resolve(ctx, s.request(who))
	if err != nil {
		return err
	}
	*d = got
	return s.checked(d, who)
}

func (s *spec) request(who *identity) Request {
	return Request{Experiment: s.name, Key: who.oldest(), Current: who.key, Variants: s.variants, Traits: who.traits}
}

// checked holds a decision against the rules of Rollout and names its variant.
func (s *spec) checked(d *Decision, who *identity) error {
	switch {
	case d.State > On:
		return fmt.Errorf("invalid state %v", d.State)
	case d.State == Off:
		*d = Decision{State: Off, Reason: d.Reason}
		return nil
	case d.State == On && (d.Outside || d.Choose != nil):
		return errors.New("state on, which is one variant for everybody, yet the unit is outside or to be drawn")
	case d.Outside:
		d.Variant, d.Choose = Control, nil
		return nil
	case d.Choose != nil:
		d.Variant = Control
		return nil
	}
	if d.State == On && d.Variant == AnyVariant && len(s.variants) > 2 {
		d.State = Conditional // without control, but with several variants
	}
	var err error
	if d.Variant, err = s.named(d.Variant, who); err != nil {
		return err
	}
	if d.State == On && d.Variant == Control {
		return errors.New("state on, which is a variant other than control, with control")
	}
	return nil
}

// named returns the variant that a rollout means by a name.
func (s *spec) named(name string, who *identity) (string, error) {
	switch {
	case name == "":
		return Control, nil
	case name == AnyVariant:
		if name = spread(s.request(who)); name == "" {
			return "", fmt.Errorf("the unit is selected: %w: the experiment has none but control", ErrUnknownVariant)
		}
	case !s.has(name):
		return "", fmt.Errorf("%w %q; the variants are %q", ErrUnknownVariant, name, s.variants)
	}
	return name, nil
}

// choose draws a variant.
func (s *spec) choose(ctx context.Context, d *Decision, who *identity) (variant string, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(ctx, "rollout", "", p)
			variant, err = "", s.rolloutError(fmt.Errorf("panic: %s", panicText(p)))
		}
	}()
	if variant, err = d.Choose(ctx); err == nil {
		variant, err = s.named(variant, who)
	}
	if err != nil {
		return "", s.rolloutError(err)
	}
	return variant, nil
}

func (s *spec) rolloutError(err error) error {
	if re, ok := err.(*RolloutError); ok {
		if re != nil {
			return re
		}
		err = errors.New("a nil *RolloutError") // whose methods panic
	}
	return &RolloutError{Provider: s.provider, Experiment: s.name, Err: err}
}

// absent reports whether err says that there is no such flag. It asks the flag
// system's own errors: one that panics is taken for a yes, which serves control.
func (s *spec) absent(ctx context.Context, err error) (yes bool) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(ctx, "rollout", "", p)
			yes = true
		}
	}()
	return errors.Is(err, ErrFlagNotFound)
}

// described returns what a rollout says of itself, the zero Description if it
// says nothing or panics.
func described(r Rollout) (d Description) {
	defer func() { _ = recover() }()
	if r, ok := r.(Describer); ok {
		return r.Describe()
	}
	return Description{}
}

// providerName returns what errors call a rollout.
func providerName(r Rollout) string {
	if name := described(r).Name; name != "" {
		return name
	}
	return fmt.Sprintf("%T", r)
}

// optedOut asks Config.OptOut. A panic is taken for a yes.
func (s *spec) optedOut(ctx context.Context, subject any) (out bool) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(ctx, "opt-out", "", p)
			out = true
		}
	}()
	return s.client.cfg.OptOut(ctx, subject)
}
