package core

import (
	"context"
	"slices"
)

// This file is what a trial does with the visitor of its scope.

// visit gives an anonymous unit the visitor's id for an actor. To a unit whose
// actor is known it adds, as the oldest, the identity that it had as a visitor.
func (s *scoped) visit(experiment string, u *Unit, mint bool, who *identity) {
	who.scope = s
	i := u.actor()
	if i < 0 {
		return
	}
	guest := u.attr(i).unknown()
	v := s.Visitor(experiment, mint && guest)
	if v.ID == "" {
		return
	}
	who.visitor, who.guest = &v, guest
	visitor := u.withActor(i, v.ID)
	if guest {
		*u = visitor
		return
	}
	if visitor.ext != nil { // without the older identities, which u has already
		visitor.ext = &unitExt{more: visitor.ext.more, sticky: visitor.ext.sticky}
	}
	*u = u.MigratedFrom(visitor)
}

// fresh reports whether nothing is stored for the unit nor to be stored: an
// anonymous visitor whose cookie has not come back yet, perhaps never will.
func (w *identity) fresh() bool { return w.guest && w.visitor.Fresh }

// carried reads the entry that the visitor's cookie carries for this unit.
func (s *spec) carried(who *identity, e *Entry) bool {
	v := who.visitor
	if v == nil || v.Entry.Origin == SourceExcluded || !s.has(v.Entry.Variant) {
		return false
	}
	if mark(who.key) != v.Unit && !slices.ContainsFunc(who.older, func(key string) bool { return mark(key) == v.Unit }) {
		return false
	}
	*e = v.Entry
	return true
}

// adopt makes the entry of the visitor's cookie the one that stands, where
// nothing is stored, and reads what stands then; unread is why nobody knows.
func (t *Trial[S, R]) adopt(ctx context.Context, who *identity, stands *Entry, unread error) bool {
	e := t.exp
	switch {
	case !e.carried(who, stands):
		return false
	case unread != nil:
		t.ramped = true // nothing is written after a failed read
	case !who.fresh() && e.keeps(stands):
		next, err := e.claim(ctx, &t.a, who, Entry{}, *stands)
		if err == nil {
			*stands = next
		}
		t.ramped = err != nil
	}
	return true
}

// stood notes what stands for the unit, for the cookie.
func (t *trial) stood(e *Entry) {
	if t.scope != nil {
		entry := *e
		t.entry = &entry
	}
}

// recall serves what this request has decided for the unit before. Exclude asks
// anew; who insists on a variant replaces it. There is a scope.
func (t *Trial[S, R]) recall(ctx context.Context, who *identity) bool {
	if t.excluded || t.manual != "" ||
		t.exp.client.cfg.AllowForced && forcedIn(ctx, t.exp.name) != "" {
		return false
	}
	d, ok := t.scope.decided(t.place(who.key))
	if ok {
		t.serve(&d)
	}
	return ok
}

// serve makes an earlier decision of this request the trial's own.
func (t *Trial[S, R]) serve(d *decision) {
	misuse := t.misuse
	t.a, t.entry, t.recalled = d.a, &d.entry, true
	t.a.blame(misuse)
}

func (t *Trial[S, R]) place(key string) place { return place{t.exp.client, t.exp.name, key} }

// settle ends a trial in its scope: the decision is remembered, and the
// visitor's cookie set, changed or taken away.
func (t *Trial[S, R]) settle(who *identity) {
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
	var entry Entry
	if t.entry != nil {
		entry = *t.entry
	}
	insists := a.Source == SourceManual || a.Source == SourceForced
	if t.remembered(insists) {
		if first, lost := s.remember(t.place(who.key), decision{*a, entry}, insists); lost {
			t.serve(&first)
			return
		}
	}
	v := who.visitor
	switch {
	case v == nil:
	case !who.guest:
		if who.kept && a.takesPart() {
			s.Drop(a.Experiment)
		}
	case (a.Tracked || a.Source == SourceForced) && t.changes(v, &entry, who):
		next := Visitor{ID: v.ID, Entry: entry, Unit: mark(a.Key), Fresh: v.Fresh}
		if !s.Keep(a.Experiment, next) && v.Fresh {
			// The header went out in the meantime, so the visitor has no cookie.
			*a = Assignment{Experiment: a.Experiment, Variant: Control, Source: SourceNoUnit, Err: t.misuse}
		}
	}
}

// remembered reports whether a decision holds for the rest of the request. What
// depends on the subject or on the call site does not.
func (t *Trial[S, R]) remembered(insists bool) bool {
	switch t.a.Source {
	case SourceOptedOut, SourceUnassigned, SourceExcluded:
		return false
	}
	return t.a.Key != "" && !t.excluded && (insists || !t.onlyAssigned)
}

// changes reports whether the cookie has to change. One that carries nothing
// does; one that carries another unit's entry stays if the store has this one.
func (t *Trial[S, R]) changes(v *Visitor, entry *Entry, who *identity) bool {
	if v.Unit == "" {
		return true
	}
	var other Entry
	if who.kept && t.exp.has(v.Entry.Variant) && !t.exp.carried(who, &other) {
		return false
	}
	return v.Entry != *entry || v.Unit != mark(t.a.Key)
}
