package core

import (
	"context"
	"fmt"
	"slices"
)

// decide is the decision order. Each step ends it; the Source of the assignment
// says which one did. The assignment starts as control, untracked.
//
// A unit that a running rollout did not select is a tracked control; a unit of
// an experiment that is off is an untracked one. Mixing them up would destroy
// the control group.
func (t *Trial[S, R]) decide(ctx context.Context, who *identity) {
	e, a := t.exp, &t.a
	if e.fault != nil {
		t.fail(ctx, e.fault)
		return
	}

	// 1. Opted out: whatever is manual, forced, stored or on.
	if e.client.cfg.OptOut != nil && e.optedOut(ctx, t.subject) {
		a.Source = SourceOptedOut
		return
	}

	// 2. No unit: an anonymous visitor whom nothing holds, or a fault. Who was
	// decided for earlier in this request gets the same.
	err := e.identify(ctx, t.scope, t.subject, true, who)
	if err != nil || who.key == "" {
		a.Source = SourceNoUnit
		if err != nil {
			a.blame(err)
			e.faulty(ctx, err)
		}
		return
	}
	a.Key, a.MigrationKeys = who.key, who.older
	if t.scope != nil && t.recall(ctx, who) {
		return
	}

	// 3. The rollout, once. Off hides an entry and leaves it where it is.
	var d Decision
	err = e.ask(ctx, who, &d)
	a.State, a.Reason = d.State, d.Reason
	if err != nil {
		t.fail(ctx, err)
		if e.client.cfg.OnRolloutError == ServeStored && !e.absent(ctx, err) {
			t.serveStored(ctx, who)
		}
		return
	}
	if d.State == Off {
		a.Source = SourceOff
		return
	}

	// 4. Manual, then forced.
	if variant, source := t.wanted(ctx); source != 0 {
		t.insist(ctx, Entry{Variant: variant, Origin: source, Final: true}, who)
		return
	}

	// 5. Stored, or carried by the visitor's cookie. A retired variant counts as
	// absent and is replaced.
	var stands Entry
	found, err := e.load(ctx, a, who, &stands)
	if !found && t.scope != nil {
		found = t.adopt(ctx, who, &stands, err)
	}
	if found && !slices.Contains(e.retired, stands.Variant) {
		t.answer(ctx, &d, &stands, who)
		return
	}

	// 6. Only assigned, and nothing stored.
	if t.onlyAssigned || e.def.OnlyAssigned {
		a.Source, a.Excluded = SourceUnassigned, true
		return
	}

	// 7. Excluded, by the call site or by a rule. Never kept after a panic.
	if t.isExcluded(ctx) {
		a.Source, a.Origin, a.Rule, a.Excluded = SourceExcluded, SourceExcluded, t.rule, true
		if e.def.StickyExclusions && err == nil && t.rule != "" && !t.rulePanicked && !e.client.variantOnly {
			t.claim(ctx, &d, stands, Entry{Variant: Control, Origin: SourceExcluded, Final: true}, who)
		}
		return
	}

	// 8. Outside of the rollout's traffic; then segmented.
	if d.Outside {
		a.Source = SourceOutside
		return
	}
	if rule, into := t.segment(ctx); into != "" {
		a.Rule = rule
		t.take(ctx, &d, &stands, &Entry{Variant: into, Origin: SourceSegmented, Final: true}, who, err)
		return
	}

	// 9. Resolved: what the rollout says, control included.
	next := Entry{Variant: d.Variant, Origin: SourceResolved, Final: true}
	if d.Choose != nil {
		// A draw that is not kept would give the unit another variant each time.
		if err != nil {
			t.fail(ctx, nil)
			return
		}
		if next.Variant, err = e.choose(ctx, &d, who); err != nil {
			t.fail(ctx, err)
			return
		}
	} else if next.Variant == Control && !e.def.StickyControl {
		next.Final, next.Under = false, under(who.oldest())
	}
	t.take(ctx, &d, &stands, &next, who, err)
}

// take gives the unit a fresh assignment and claims it in the store, unless it
// could not be read or the entry is not to be kept.
func (t *Trial[S, R]) take(ctx context.Context, d *Decision, old, next *Entry, who *identity, unread error) {
	e, a := t.exp, &t.a
	a.Variant, a.Source, a.Origin, a.Tracked = next.Variant, next.Origin, next.Origin, true
	if e.def.TransientControl && next.Origin == SourceResolved && next.Variant == Control {
		return
	}
	t.stood(next)
	if unread == nil && e.keeps(next) {
		t.claim(ctx, d, *old, *next, who)
	}
}

// claim stores next in the place of old. First writer wins: where another entry
// stands, the unit gets what that says. Nothing is stored for a fresh visitor.
func (t *Trial[S, R]) claim(ctx context.Context, d *Decision, old, next Entry, who *identity) {
	e, a := t.exp, &t.a
	if who.fresh() {
		return
	}
	for range claimTries {
		stands, err := e.claim(ctx, a, who, old, next)
		switch {
		case err != nil:
			if d.Choose != nil && next.Origin == SourceResolved {
				t.fail(ctx, nil)
			}
			return
		case stands == next:
			return
		case !slices.Contains(e.retired, stands.Variant):
			t.answer(ctx, d, &stands, who)
			return
		}
		old = stands // a process of an older release wrote a retired name
	}
}

// claimTries bounds how often one trial tries again to replace what others
// write at the same time. In the end it serves what it decided.
const claimTries = 3

// answer serves the entry that stands in the store.
func (t *Trial[S, R]) answer(ctx context.Context, d *Decision, stands *Entry, who *identity) {
	e, a := t.exp, &t.a
	a.Variant, a.Rule, a.Excluded, a.Tracked = Control, "", false, false
	switch {
	case stands.Origin == SourceExcluded:
		a.Source, a.Origin, a.Excluded = SourceExcluded, SourceExcluded, true
		return
	case e.def.StickyPolicy == ExclusionFirst && t.isExcluded(ctx):
		a.Source, a.Origin, a.Rule, a.Excluded = SourceExcluded, SourceExcluded, t.rule, true
		return
	case !e.has(stands.Variant):
		// A newer process may know it, so it stays.
		t.fail(ctx, fmt.Errorf("core: experiment %s: the store holds %q: %w; the variants are %q",
			e.name, stands.Variant, ErrUnknownVariant, e.variants))
		return
	}
	t.stood(stands)
	a.Variant, a.Previous, a.Tracked = stands.Variant, stands.Previous, true
	a.Source, a.Origin = SourceStored, stands.Origin
	if !t.ramped && t.moves(d, stands, who) {
		t.ramped = true
		t.ramp(ctx, d, *stands, who)
	}
}

// moves reports whether today's decision moves an open control.
func (t *Trial[S, R]) moves(d *Decision, stands *Entry, who *identity) bool {
	def := &t.exp.def
	return !stands.Final && stands.Variant == Control && !def.StickyControl &&
		d.Variant != Control && d.Choose == nil && !d.Outside &&
		!t.onlyAssigned && !def.OnlyAssigned && !t.excluded &&
		stands.Under == under(who.oldest())
}

// ramp moves an open control to the variant of today's decision. If that can't
// be stored the unit stays where it is.
func (t *Trial[S, R]) ramp(ctx context.Context, d *Decision, old Entry, who *identity) {
	e, a := t.exp, &t.a
	next := Entry{Variant: d.Variant, Previous: Control, Origin: SourceResolved, Final: true}
	stands, err := next, error(nil)
	if !who.fresh() {
		stands, err = e.claim(ctx, a, who, old, next)
	}
	switch {
	case err != nil:
	case stands == next:
		t.stood(&next)
		a.Variant, a.Previous, a.Source = next.Variant, Control, SourceResolved
	case stands != old:
		t.answer(ctx, d, &stands, who)
	}
}

// insist serves a manual or forced assignment, and overwrites what differs.
func (t *Trial[S, R]) insist(ctx context.Context, want Entry, who *identity) {
	e, a := t.exp, &t.a
	var stands Entry
	found, err := e.load(ctx, a, who, &stands)
	a.Variant, a.Source, a.Origin, a.Tracked = want.Variant, want.Origin, want.Origin, true
	t.stood(&want)
	same := found && stands.Variant == want.Variant &&
		(e.client.variantOnly || stands.Origin == want.Origin && stands.Final)
	if err == nil && !same && !(who.fresh() && want.Origin == SourceManual) {
		e.save(ctx, a, who, want)
	}
}

// serveStored serves a stored assignment although the rollout failed.
func (t *Trial[S, R]) serveStored(ctx context.Context, who *identity) {
	e, a := t.exp, &t.a
	var stands Entry
	found, _ := e.load(ctx, a, who, &stands)
	if !found {
		found = e.carried(who, &stands)
	}
	if !found || !e.has(stands.Variant) || stands.Origin == SourceExcluded ||
		e.def.StickyPolicy == ExclusionFirst && t.isExcluded(ctx) {
		return
	}
	a.Variant, a.Previous, a.Source, a.Origin = stands.Variant, stands.Previous, SourceStored, stands.Origin
}

// fail serves control, untracked, because of err.
func (t *Trial[S, R]) fail(ctx context.Context, err error) {
	a := &t.a
	a.Variant, a.Previous, a.Source, a.Origin = Control, "", SourceError, 0
	a.Tracked, a.Excluded = false, false
	if err != nil {
		a.blame(err)
		t.exp.failed(ctx, err)
	}
}

// wanted returns the variant that the call site or the ctx asks for.
func (t *Trial[S, R]) wanted(ctx context.Context) (variant string, source Source) {
	if t.manual != "" {
		return t.manual, SourceManual
	}
	if t.exp.client.cfg.AllowForced {
		v := forcedIn(ctx, t.exp.name)
		if v == "" && t.scope != nil {
			v = t.scope.Forced(t.exp.name)
		}
		if t.exp.has(v) {
			return v, SourceForced
		}
	}
	return "", 0
}

// isExcluded asks the call site, then the rules, once per trial: those of the
// client before those of the definition.
func (t *Trial[S, R]) isExcluded(ctx context.Context) bool {
	if t.ruled || t.excluded {
		return t.excluded || t.rule != ""
	}
	t.ruled = true
	e := t.exp
	if shared := e.client.cfg.Exclusions; len(shared) > 0 {
		subject := any(t.subject)
		for _, r := range shared {
			if match, ok := matches(ctx, e.spec, "exclusion", r.Name, r.If, subject); match || !ok {
				t.rule, t.rulePanicked = r.Name, !ok
				return true
			}
		}
	}
	for i := range e.def.Exclusions {
		r := &e.def.Exclusions[i]
		if match, ok := matches(ctx, e.spec, "exclusion", r.Name, r.If, t.subject); match || !ok {
			t.rule, t.rulePanicked = r.Name, !ok
			return true
		}
	}
	return false
}

// segment returns the first segment that matches and its variant, "" for none.
func (t *Trial[S, R]) segment(ctx context.Context) (rule, into string) {
	e := t.exp
	for i := range e.def.Segments {
		g := &e.def.Segments[i]
		if match, ok := matches(ctx, e.spec, "segment", g.Name, g.If, t.subject); match && ok {
			return g.Name, g.Into
		}
	}
	return "", ""
}

// matches asks a rule; ok is false if it panicked.
func matches[S any](ctx context.Context, s *spec, kind, name string, rule func(context.Context, S) bool, subject S) (match, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(ctx, kind, name, p)
		}
	}()
	match = rule(ctx, subject)
	return match, true
}
