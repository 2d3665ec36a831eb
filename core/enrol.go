package core

import (
	"context"
	"fmt"
	"slices"
)

// This file is what becomes of an entry: claimed, served, moved, overwritten.

// enrol gives the unit a fresh assignment and claims it in the store, unless it
// could not be read or the entry is not to be kept.
func (t *trial) enrol(ctx context.Context, ask ask, d *Decision, old, next *Entry, id *identity, unread error) {
	s, a := t.exp, &t.a
	a.Variant, a.Source, a.Origin, a.Tracked = next.Variant, next.Origin, next.Origin, true
	if s.transientControl && next.Origin == SourceResolved && next.Variant == Control {
		return
	}
	t.noteEntry(next)
	if unread == nil && s.keeps(next) {
		t.claim(ctx, ask, d, *old, *next, id)
	}
}

// claim stores next in the place of old. First writer wins: where another entry
// is current, the unit gets what that says. Nothing is stored for a fresh
// visitor.
func (t *trial) claim(ctx context.Context, ask ask, d *Decision, old, next Entry, id *identity) {
	s, a := t.exp, &t.a
	if id.fresh() {
		return
	}
	for range claimTries {
		current, err := s.claim(ctx, a, id, old, next)
		switch {
		case err != nil:
			if d.Choose != nil && next.Origin == SourceResolved {
				t.fail(ctx, nil)
			}
			return
		case current == next:
			return
		case !slices.Contains(s.retired, current.Variant):
			t.serveEntry(ctx, ask, d, &current, id)
			return
		}
		old = current // a process of an older release wrote a retired name
	}
}

// claimTries bounds how often one trial tries again to replace what others
// write at the same time. In the end it serves what it decided.
const claimTries = 3

// serveEntry serves the current entry. It may ramp an open control, once per
// trial, and ramp may come back with the entry of whoever was faster.
func (t *trial) serveEntry(ctx context.Context, ask ask, d *Decision, current *Entry, id *identity) {
	s, a := t.exp, &t.a
	a.Variant, a.Rule, a.Excluded, a.Tracked = Control, "", false, false
	switch {
	case current.Origin == SourceExcluded:
		a.Source, a.Origin, a.Excluded = SourceExcluded, SourceExcluded, true
		return
	case s.exclusionFirst && t.isExcluded(ctx, ask):
		t.exclude()
		return
	case !s.has(current.Variant):
		// A newer process may know it, so it stays.
		t.fail(ctx, fmt.Errorf("core: experiment %s: the store holds %q: %w; the variants are %q",
			s.name, current.Variant, ErrUnknownVariant, s.variants))
		return
	}
	t.noteEntry(current)
	a.Variant, a.Previous, a.Tracked = current.Variant, current.Previous, true
	a.Source, a.Origin = SourceStored, current.Origin
	if !t.ramped && t.moves(d, current, id) {
		t.ramped = true
		t.ramp(ctx, ask, d, *current, id)
	}
}

// moves reports whether today's decision moves an open control.
func (t *trial) moves(d *Decision, current *Entry, id *identity) bool {
	s := t.exp
	return current.open() && current.Open == openDigits(id.oldest()) && !s.stickyControl &&
		d.Variant != Control && d.Choose == nil && !d.Outside &&
		!t.onlyAssigned && !s.onlyAssigned && !t.excluded
}

// ramp moves an open control to the variant of today's decision. If that can't
// be stored the unit stays where it is.
func (t *trial) ramp(ctx context.Context, ask ask, d *Decision, old Entry, id *identity) {
	a := &t.a
	next := Entry{Variant: d.Variant, Previous: Control, Origin: SourceResolved}
	current, err := next, error(nil)
	if !id.fresh() {
		current, err = t.exp.claim(ctx, a, id, old, next)
	}
	switch {
	case err != nil:
	case current == next:
		t.noteEntry(&next)
		a.Variant, a.Previous, a.Source = next.Variant, Control, SourceResolved
	case current != old:
		t.serveEntry(ctx, ask, d, &current, id)
	}
}

// assignManually serves a manual or forced assignment, and overwrites what
// differs.
func (t *trial) assignManually(ctx context.Context, want Entry, id *identity) {
	s, a := t.exp, &t.a
	var current Entry
	found, err := s.load(ctx, a, id, &current)
	a.Variant, a.Source, a.Origin, a.Tracked = want.Variant, want.Origin, want.Origin, true
	t.noteEntry(&want)
	same := found && current.Variant == want.Variant &&
		(s.client.variantOnly || current.Origin == want.Origin && !current.open())
	if err == nil && !same && !(id.fresh() && want.Origin == SourceManual) {
		s.save(ctx, a, id, want)
	}
}

// serveStored serves a stored assignment although the rollout failed.
func (t *trial) serveStored(ctx context.Context, ask ask, id *identity) {
	s, a := t.exp, &t.a
	var current Entry
	found, _ := s.load(ctx, a, id, &current)
	if !found {
		found = s.carried(id, &current)
	}
	if !found || !s.has(current.Variant) || current.Origin == SourceExcluded ||
		s.exclusionFirst && t.isExcluded(ctx, ask) {
		return
	}
	a.Variant, a.Previous, a.Source, a.Origin = current.Variant, current.Previous, SourceStored, current.Origin
}
