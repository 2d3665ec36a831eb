package core

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Inline returns an experiment that is defined at its only call site, for
// something small or short-lived. Variants, segment targets, retired names and
// the rollout are kept by name at first use, and later calls must bring the
// same; behaviours and rules are each call's own closures.
//
// A definition that is invalid, that differs from the first, that is defined
// elsewhere too, or that [Config.StrictRegistration] forbids, serves control:
// source error, with the fault in [Assignment.Err] and in the log. So does one
// beside 10,000 others, since each name is remembered. c must not be nil.
func Inline[S, R any](c *Client, def Definition[S, R]) *Experiment[S, R] {
	e := build(c, def)
	e.inline = true
	faults := e.check()
	if c.cfg.StrictRegistration {
		faults = append(faults, errors.New("it is defined inline, which StrictRegistration forbids"))
	}
	if len(faults) == 0 {
		faults = c.registerInline(e.experiment)
	}
	e.fault = e.joinFaults(faults)
	return e
}

// maxExperiments bounds how many experiments a client remembers, should somebody
// make names of users.
const maxExperiments = 10_000

// registerInline keeps s as the first of its name, or returns how it differs from that.
func (c *Client) registerInline(s *experiment) []error {
	first := c.lookup(s.name)
	if first == nil {
		if faults := s.checkRollout(); len(faults) > 0 {
			return faults
		}
		c.mu.Lock()
		first = c.experiments[s.name]
		room := len(c.experiments) < maxExperiments
		if first == nil && room {
			c.experiments[s.name] = s
		}
		c.mu.Unlock()
		switch {
		case first != nil:
		case room:
			return nil
		default:
			return []error{fmt.Errorf("it is defined inline beside %d experiments, which is as many as may be: is its name made from something that never ends?", maxExperiments)}
		}
	}
	if !first.inline {
		return []error{errors.New("it is defined inline, and by Define too")}
	}
	var faults []error
	differs := func(what string, kept, now any) {
		faults = append(faults, fmt.Errorf("it is defined inline with %s %q, and was first with %q", what, now, kept))
	}
	if !slices.Equal(first.variants, s.variants) {
		differs("variants", first.variants, s.variants)
	}
	if old, now := targets(first.segments), targets(s.segments); !slices.Equal(old, now) {
		differs("segments into", old, now)
	}
	if !slices.Equal(first.retired, s.retired) {
		differs("retired names", first.retired, s.retired)
	}
	if !sameRollout(first.rollout, s.rollout) {
		differs("rollout", describe(first.rollout), describe(s.rollout))
	}
	s.rollout = first.rollout
	return faults
}

// sameRollout reports whether two rollouts decide alike as far as can be told:
// they are the same value, the same function, or of one type with equal
// descriptions.
func sameRollout(a, b Rollout) bool {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	switch {
	case va.Type() != vb.Type():
		return false
	case va.Kind() == reflect.Func:
		return va.Pointer() == vb.Pointer()
	case va.Comparable() && a == b:
		return true
	}
	ta, tb := described(a), described(b)
	return ta.Name == tb.Name && ta.Detail != "" && ta.Detail == tb.Detail && ta.NeedsStore == tb.NeedsStore
}

func describe(r Rollout) string {
	if detail := described(r).Detail; detail != "" {
		return detail
	}
	return fmt.Sprintf("%T", r)
}

// targets returns the variants of segments.
func targets(segments []segment) []string {
	variants := make([]string, len(segments))
	for i, g := range segments {
		variants[i] = g.variant
	}
	return variants
}
