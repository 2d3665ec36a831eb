package core

import (
	"context"
	"errors"
	"fmt"
)

// resolve asks Enabled and the rollout, and leaves in d a decision that holds:
// its state is valid and its variant is one of the experiment's, Control where
// the rollout named none. After an error d is zero.
func (s *experiment) resolve(ctx context.Context, id *identity, d *Decision) error {
	err := s.askRollout(ctx, id, d)
	if err == nil {
		err = s.checked(d, id)
	}
	if err != nil {
		*d = Decision{}
		return s.rolloutError(err)
	}
	return nil
}

func (s *experiment) askRollout(ctx context.Context, id *identity, d *Decision) (err error) {
	defer s.catch(ctx, "rollout", "", &err)
	if s.enabled != nil && !s.enabled(ctx) {
		return nil
	}
	*d, err = s.rollout.Resolve(ctx, s.request(id))
	return err
}

func (s *experiment) request(id *identity) Request {
	return Request{Experiment: s.name, Key: id.oldest(), Current: id.key, Variants: s.variants, Traits: id.traits}
}

// checked holds a decision against the rules of Rollout and names its variant.
func (s *experiment) checked(d *Decision, id *identity) error {
	switch {
	case d.State > On:
		return fmt.Errorf("invalid state %v", d.State)
	case d.State == Off:
		*d = Decision{State: Off, Reason: d.Reason}
		return nil
	case d.State == On && (d.Outside || d.Choose != nil):
		return errors.New("state on with Outside or Choose set, although on is one variant for everybody")
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
	if d.Variant, err = s.named(d.Variant, id); err != nil {
		return err
	}
	if d.State == On && d.Variant == Control {
		return errors.New("state on, which is a variant other than control, with control")
	}
	return nil
}

// named returns the variant that a rollout means by a name.
func (s *experiment) named(name string, id *identity) (string, error) {
	switch {
	case name == "":
		return Control, nil
	case name == AnyVariant:
		if name = spread(s.request(id)); name == "" {
			return "", fmt.Errorf("the unit is selected: %w: the experiment has none but control", ErrUnknownVariant)
		}
	case !s.has(name):
		return "", fmt.Errorf("%w %q; the variants are %q", ErrUnknownVariant, name, s.variants)
	}
	return name, nil
}

// choose draws a variant.
func (s *experiment) choose(ctx context.Context, d *Decision, id *identity) (string, error) {
	variant, err := s.draw(ctx, d)
	if err == nil {
		variant, err = s.named(variant, id)
	}
	if err != nil {
		return "", s.rolloutError(err)
	}
	return variant, nil
}

func (s *experiment) draw(ctx context.Context, d *Decision) (variant string, err error) {
	defer s.catch(ctx, "rollout", "", &err)
	return d.Choose(ctx)
}

func (s *experiment) rolloutError(err error) error {
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
func (s *experiment) absent(ctx context.Context, err error) (yes bool) {
	defer s.catch(ctx, "rollout", "", nil)
	yes = true
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
