package core

import (
	"context"
	"slices"
)

// This file is what a trial does with the visitor of its scope.

// visit gives an anonymous unit the visitor's id for an actor. To a unit whose
// actor is known it adds, as the oldest, the identity that it had as a visitor.
func (s *scoped) visit(experiment string, u *Unit, mint bool, id *identity) {
	id.scope = s
	i := u.actor()
	if i < 0 {
		return
	}
	anonymous := u.attr(i).unknown()
	v := s.Visitor(experiment, mint && anonymous)
	if v.ID == "" {
		return
	}
	id.visitor, id.anonymous = &v, anonymous
	visitor := u.withActor(i, v.ID)
	if anonymous {
		*u = visitor
		return
	}
	if visitor.ext != nil { // without the older identities, which u has already
		visitor.ext = &unitExt{more: visitor.ext.more, sticky: visitor.ext.sticky}
	}
	*u = u.MigratedFrom(visitor)
}

// carried reads the entry that the visitor's cookie carries for this unit.
func (s *experiment) carried(id *identity, e *Entry) bool {
	v := id.visitor
	if v == nil || v.Entry.Origin == SourceExcluded || !s.has(v.Entry.Variant) {
		return false
	}
	if keyPrefix(id.key) != v.Unit && !slices.ContainsFunc(id.older, func(key string) bool { return keyPrefix(key) == v.Unit }) {
		return false
	}
	*e = v.Entry
	return true
}

// storeCarried makes the entry of the visitor's cookie the current one, where
// nothing is stored, and reads what is current then; unread is why nobody knows.
func (t *trial) storeCarried(ctx context.Context, id *identity, current *Entry, unread error) bool {
	s := t.exp
	switch {
	case !s.carried(id, current):
		return false
	case unread != nil:
		t.ramped = true // nothing is written after a failed read
	case !id.fresh() && s.keeps(current):
		claimed, err := s.claim(ctx, &t.a, id, Entry{}, *current)
		if err == nil {
			*current = claimed
		}
		t.ramped = err != nil
	}
	return true
}

// noteEntry notes the unit's current entry, for the cookie.
func (t *trial) noteEntry(e *Entry) {
	if t.scope != nil {
		t.entry = *e
	}
}

// recall serves what this request has decided for the unit before. Exclude asks
// anew; who insists on a variant replaces it. There is a scope.
func (t *trial) recall(ctx context.Context, id *identity) bool {
	if t.excluded || t.manual != "" ||
		t.exp.client.cfg.AllowForced && forcedIn(ctx, t.exp.name) != "" {
		return false
	}
	a, ok := t.scope.decided(t.exp.ref(id.key))
	if ok {
		t.serve(&a)
	}
	return ok
}

// serve makes an earlier decision of this request the trial's own.
func (t *trial) serve(a *Assignment) {
	t.a, t.recalled = *a, true
	t.a.addErr(t.misuse)
}

// updateScope ends a trial in its scope: the decision is remembered, and the
// visitor's cookie set, changed or taken away.
func (t *trial) updateScope(id *identity) {
	s, a := t.scope, &t.a
	if a.Source != SourceOff {
		s.Depends()
	}
	if t.recalled {
		return
	}
	if s.Silent() {
		a.Tracked = false
	}
	insists := a.Source == SourceManual || a.Source == SourceForced
	if t.remembered(insists) {
		if first, lost := s.remember(t.exp.ref(id.key), *a, insists); lost {
			t.serve(&first)
			return
		}
	}
	v := id.visitor
	switch {
	case v == nil:
	case !id.anonymous:
		if id.stored && a.takesPart() {
			s.Drop(a.Experiment)
		}
	case (a.Tracked || a.Source == SourceForced) && t.changes(v, &t.entry, id):
		next := Visitor{ID: v.ID, Entry: t.entry, Unit: keyPrefix(a.Key), Fresh: v.Fresh}
		if !s.Keep(a.Experiment, next) && v.Fresh {
			// The header went out in the meantime, so the visitor has no cookie.
			*a = Assignment{Experiment: a.Experiment, Variant: Control, Source: SourceNoUnit, Err: t.misuse}
		}
	}
}

// remembered reports whether a decision holds for the rest of the request. What
// depends on the subject or on the call site does not.
func (t *trial) remembered(insists bool) bool {
	switch t.a.Source {
	case SourceOptedOut, SourceUnassigned, SourceExcluded:
		return false
	}
	return t.a.Key != "" && !t.excluded && (insists || !t.onlyAssigned)
}

// changes reports whether the cookie has to change. One that carries nothing
// does; one that carries another unit's entry stays if the store has this one.
func (t *trial) changes(v *Visitor, entry *Entry, id *identity) bool {
	if v.Unit == "" {
		return true
	}
	var other Entry
	if id.stored && t.exp.has(v.Entry.Variant) && !t.exp.carried(id, &other) {
		return false
	}
	return v.Entry != *entry || v.Unit != keyPrefix(t.a.Key)
}
