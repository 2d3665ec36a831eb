package core

import (
	"context"
	"slices"
)

// A trial is the part of a [Trial] that does not depend on its types: all of the
// decision.
type trial struct {
	exp          *experiment
	a            Assignment
	unit         Unit   // what the definition made of the subject
	manual       string // AssignTo
	misuse       error  // the call site named an unknown variant
	onlyAssigned bool
	excluded     bool
	resolved     bool
	published    bool
	ruled        bool   // the exclusions were asked
	rule         string // the one that fired, "" for none
	rulePanicked bool
	ramped       bool // an open control was moved, or tried to be

	scope    *scoped // of the ctx that it resolved with, nil for none
	entry    Entry   // the current one, or what would be; zero for none, and without a scope
	recalled bool    // decided by an earlier trial of the scope
}

// resolve decides, once.
func (t *trial) resolve(ctx context.Context, ask ask) {
	if t.resolved {
		return
	}
	t.resolved = true
	t.a.Experiment, t.a.Variant, t.a.Err = t.exp.name, Control, t.misuse
	t.scope = scopeOf(ctx)
	var id identity
	t.decide(ctx, ask, &id)
	if t.excluded {
		t.a.Tracked = false
	}
	if t.scope != nil {
		t.updateScope(&id)
	}
}

// decide is the decision order. Each step ends it; the Source of the assignment
// says which one did. The assignment starts as control, untracked.
//
// A unit that a running rollout did not select is a tracked control; a unit of
// an experiment that is off is an untracked one. Mixing them up would destroy
// the control group.
func (t *trial) decide(ctx context.Context, ask ask, id *identity) {
	s, a := t.exp, &t.a
	if s.fault != nil {
		t.fail(ctx, s.fault)
		return
	}

	// 1. Opted out: whatever is manual, forced, stored or on.
	if s.client.cfg.OptOut != nil && t.optedOut(ctx, ask) {
		a.Source = SourceOptedOut
		return
	}

	// 2. No unit: an anonymous visitor without a cookie, or a fault. Who was
	// decided for earlier in this request gets the same.
	err := t.identify(ctx, ask, t.scope, true, id)
	if err != nil || id.key == "" {
		a.Source = SourceNoUnit
		if err != nil {
			a.addErr(err)
			s.logUnitFault(ctx, err)
		}
		return
	}
	a.Key, a.MigrationKeys = id.key, id.older
	if t.scope != nil && t.recall(ctx, id) {
		return
	}

	// 3. The rollout, once. Off hides an entry and leaves it where it is.
	var d Decision
	err = s.resolve(ctx, id, &d)
	a.State, a.Reason = d.State, d.Reason
	if err != nil {
		t.fail(ctx, err)
		if s.client.cfg.OnRolloutError == ServeStored && !s.absent(ctx, err) {
			t.serveStored(ctx, ask, id)
		}
		return
	}
	if d.State == Off {
		a.Source = SourceOff
		return
	}

	// 4. Manual, then forced.
	if variant, source := t.wanted(ctx); source != "" {
		t.assignManually(ctx, Entry{Variant: variant, Origin: source}, id)
		return
	}

	// 5. Stored, or carried by the visitor's cookie. A retired variant counts as
	// absent and is replaced.
	var current Entry
	found, err := s.load(ctx, a, id, &current)
	if !found && t.scope != nil {
		found = t.storeCarried(ctx, id, &current, err)
	}
	if found && !slices.Contains(s.retired, current.Variant) {
		t.serveEntry(ctx, ask, &d, &current, id)
		return
	}

	// 6. Only assigned, and nothing stored.
	if t.onlyAssigned || s.onlyAssigned {
		a.Source, a.Excluded = SourceUnassigned, true
		return
	}

	// 7. Excluded, by the call site or by a rule. Never kept after a panic.
	if t.isExcluded(ctx, ask) {
		t.exclude()
		if s.stickyExclusions && err == nil && t.rule != "" && !t.rulePanicked && !s.client.variantOnly {
			t.claim(ctx, ask, &d, current, Entry{Variant: Control, Origin: SourceExcluded}, id)
		}
		return
	}

	// 8. Outside of the rollout's traffic; then segmented.
	if d.Outside {
		a.Source = SourceOutside
		return
	}
	if i := t.segment(ctx, ask); i >= 0 {
		a.Rule = s.segments[i].name
		t.enrol(ctx, ask, &d, &current, &Entry{Variant: s.segments[i].variant, Origin: SourceSegmented}, id, err)
		return
	}

	// 9. Resolved: what the rollout says, control included.
	next := Entry{Variant: d.Variant, Origin: SourceResolved}
	if d.Choose != nil {
		// A draw that is not kept would give the unit another variant each time.
		if err != nil {
			t.fail(ctx, nil)
			return
		}
		if next.Variant, err = s.choose(ctx, &d, id); err != nil {
			t.fail(ctx, err)
			return
		}
	} else if next.Variant == Control && !s.stickyControl {
		next.Open = openDigits(id.oldest())
	}
	t.enrol(ctx, ask, &d, &current, &next, id, err)
}

// fail serves control, untracked, because of err.
func (t *trial) fail(ctx context.Context, err error) {
	a := &t.a
	a.Variant, a.Previous, a.Source, a.Origin = Control, "", SourceError, ""
	a.Tracked, a.Excluded = false, false
	if err != nil {
		a.addErr(err)
		t.exp.failed(ctx, err)
	}
}

// exclude notes that a rule, or the call site, keeps the unit out.
func (t *trial) exclude() {
	a := &t.a
	a.Source, a.Origin, a.Rule, a.Excluded = SourceExcluded, SourceExcluded, t.rule, true
}

// wanted returns the variant that the call site or the ctx asks for.
func (t *trial) wanted(ctx context.Context) (variant string, source Source) {
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
	return "", ""
}
