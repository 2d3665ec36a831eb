package core

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// A Scope connects experiments to one request's cookies and privacy signals.
// Package core/web has the one for net/http. [WithScope] puts it in the ctx. Its methods are called from many
// goroutines at the same time, with full names of experiments.
type Scope interface {
	// Visitor returns what the visitor's cookie for the experiment says. If
	// there is none and mint is set, it makes a fresh visitor, provided that a
	// cookie can still be sent and may be; the same one for the rest of the
	// request. A Visitor without ID says that there is none.
	Visitor(experiment string, mint bool) Visitor

	// Keep sends the visitor the cookie for the experiment, in place of an
	// earlier one, and returns false if it is too late for that.
	Keep(experiment string, v Visitor) bool

	// Drop takes the cookie away, since the visitor's assignment went over to a
	// known actor.
	Drop(experiment string)

	// Forced returns the variant that the request asks for and that whoever
	// sent it may ask for, "" for none. See [WithForced].
	Forced(experiment string) string

	// Silent reports whether no events may leave, as where the visitor asks not
	// to be tracked.
	Silent() bool

	// Depends is told of each assignment that depends on who is asking: a
	// response made of it is for nobody else.
	Depends()
}

// A Visitor is somebody not known by name, recognised by the cookie of one
// experiment.
type Visitor struct {
	// ID is random, and stands in for the actor of an anonymous unit.
	ID string

	// Entry is the assignment that the cookie carries, so that it is kept
	// before anything is stored. It has no Variant if there is none.
	Entry Entry

	// Unit is the beginning of the key of the unit that Entry belongs to: a
	// visitor can be part of several, such as one for each project.
	Unit string

	// Fresh says that the cookie did not come with this request, but was made
	// in it: nobody knows whether it will come back.
	Fresh bool
}

// prefixDigits is how much of a key a cookie carries, to tell a visitor's units
// apart: 64 bits of a hex key.
const prefixDigits = 16

func keyPrefix(key string) string { return key[:min(len(key), prefixDigits)] }

// WithScope returns a ctx for one request. Experiments that run with it take s
// into account, decide once for each unit, send each assignment event once, and
// are collected for [PublishedIn]. A nil s changes nothing.
func WithScope(ctx context.Context, s Scope) context.Context {
	if s == nil {
		return ctx
	}
	return &scoped{Context: ctx, Scope: s}
}

// ScopeOf returns the scope that WithScope put in ctx, nil for none.
func ScopeOf(ctx context.Context) Scope {
	if s := scopeOf(ctx); s != nil {
		return s.Scope
	}
	return nil
}

// PublishedIn returns the assignments that were run or published in the scope of
// ctx, in the order of their first time: of units that take part and of those
// that are excluded, not of experiments that are off.
func PublishedIn(ctx context.Context) []Assignment {
	s := scopeOf(ctx)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.published)
}

// A scoped is the ctx of a request and what its experiments remember.
type scoped struct {
	context.Context
	Scope

	mu        sync.Mutex
	decisions map[unitRef]Assignment
	sent      map[sent]bool
	loaded    map[unitRef][]Lookup
	published []Assignment
}

// A unitRef is a unit of an experiment, by its newest key.
type unitRef struct {
	client          *Client
	experiment, key string
}

func (s *experiment) ref(key string) unitRef { return unitRef{s.client, s.name, key} }

type sent struct {
	unitRef
	variant string
}

type scopeKey struct{}

// Value returns the scoped itself for its key.
func (s *scoped) Value(key any) any {
	if _, is := key.(scopeKey); is {
		return s
	}
	return s.Context.Value(key)
}

func scopeOf(ctx context.Context) *scoped {
	s, _ := ctx.Value(scopeKey{}).(*scoped)
	return s
}

func (s *scoped) decided(at unitRef) (Assignment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.decisions[at]
	return a, ok
}

// remember keeps a decision. If another goroutine was first it returns that one,
// unless a is to replace it.
func (s *scoped) remember(at unitRef, a Assignment, replace bool) (first Assignment, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, lost = s.decisions[at]; lost && !replace {
		return first, true
	}
	if s.decisions == nil {
		s.decisions = map[unitRef]Assignment{}
	}
	s.decisions[at] = a
	return Assignment{}, false
}

// forget forgets what was decided for a unit and read of it.
func (s *scoped) forget(at unitRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.decisions, at)
	delete(s.loaded, at)
}

// forgetLoaded forgets what was read of an experiment. A nil s has nothing.
func (s *scoped) forgetLoaded(e *experiment) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.loaded, func(at unitRef, _ []Lookup) bool { return at.client == e.client && at.experiment == e.name })
}

// first reports whether this is the first time that the assignment's event is to
// be sent.
func (s *scoped) first(c *Client, a *Assignment) bool {
	event := sent{unitRef{c, a.Experiment, a.Key}, a.Variant}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent[event] {
		return false
	}
	if s.sent == nil {
		s.sent = map[sent]bool{}
	}
	s.sent[event] = true
	return true
}

// publish collects an assignment, in the place of an earlier one of the unit.
func (s *scoped) publish(a *Assignment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.published {
		if p := &s.published[i]; p.Experiment == a.Experiment && p.Key == a.Key {
			*p = *a
			return
		}
	}
	s.published = append(s.published, *a)
}
