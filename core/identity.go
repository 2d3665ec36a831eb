package core

import (
	"context"
	"errors"
)

// An identity is what a subject is to an experiment: its keys, newest first,
// and what it shares. The zero identity is an anonymous visitor.
type identity struct {
	key      string
	older    []string
	sameUnit int // the first of older: the unit itself under previous secrets
	traits   []Attr

	scope     *scoped  // nil outside of one
	visitor   *Visitor // the cookie, of a unit that has an actor; nil for none
	anonymous bool     // the visitor is the actor
	stored    bool     // the store has the current entry
}

// oldest returns the key that the rollout decides by, so that nothing is drawn
// again when a unit migrates.
func (id *identity) oldest() string {
	if n := len(id.older); n > 0 {
		return id.older[n-1]
	}
	return id.key
}

// openDigits returns the part of the rollout's key that an open control keeps.
func openDigits(key string) string { return key[:min(len(key), nOpenDigits)] }

// fresh reports whether nothing may be stored for the unit yet: it is an
// anonymous visitor whose cookie has not come back, and perhaps never will.
func (id *identity) fresh() bool { return id.anonymous && id.visitor.Fresh }

// identify asks the definition for the subject's unit, and the scope, unless
// nil, for the visitor; it makes one where mint is set. An error is a fault of
// the unit.
func (t *trial) identify(ctx context.Context, ask ask, scope *scoped, mint bool, id *identity) error {
	err := t.askUnit(ctx, ask)
	if err == nil && scope != nil {
		err = t.askScope(ctx, scope, mint, id)
	}
	switch {
	case err != nil:
	case t.exp.client.keys.scheme == nil: // the core's own way panics at nothing
		err = t.exp.client.keys.identify(t.exp.name, &t.unit, id)
	default:
		err = t.askKeys(ctx, id)
	}
	return t.exp.wrap(err)
}

func (t *trial) askUnit(ctx context.Context, ask ask) (err error) {
	defer t.exp.catch(ctx, questionWords[askUnit], "", &err)
	ask(ctx, askUnit, 0)
	return nil
}

func (t *trial) askScope(ctx context.Context, scope *scoped, mint bool, id *identity) (err error) {
	defer t.exp.catch(ctx, "the scope", "", &err)
	scope.visit(t.exp.name, &t.unit, mint, id)
	return nil
}

// askKeys lets Config.KeyScheme make the keys.
func (t *trial) askKeys(ctx context.Context, id *identity) (err error) {
	defer t.exp.catch(ctx, "KeyScheme", "", &err)
	return t.exp.client.keys.identify(t.exp.name, &t.unit, id)
}

// Forget deletes the assignment of the subject's unit under all its keys: for
// erasure, or as the way out of a manual assignment. A claim under way in that
// moment can undo it. It is an error if the store fails, or if the subject has
// no key: an anonymous visitor, a unit fault.
func (e *Experiment[S, R]) Forget(ctx context.Context, subject S) error {
	if e.fault != nil {
		return e.fault
	}
	t, scope := e.For(subject), scopeOf(ctx)
	var id identity
	if err := t.identify(ctx, t.ask, scope, false, &id); err != nil {
		return err
	}
	if id.key == "" {
		return e.wrap(errors.New("nobody to forget: the visitor is anonymous"))
	}
	if scope != nil {
		scope.forget(e.ref(id.key))
		if id.visitor != nil {
			scope.Drop(e.name) // it carries the assignment too
		}
	}
	if e.client.cfg.Store == nil {
		return nil
	}
	return e.wrap(e.storeDelete(ctx, append([]string{id.key}, id.older...)...))
}

// Clear deletes all assignments of the experiment. It is for the end of an
// experiment: units that come again are assigned anew.
func (e *Experiment[S, R]) Clear(ctx context.Context) error {
	if e.fault != nil || e.client.cfg.Store == nil {
		return e.fault
	}
	scopeOf(ctx).forgetLoaded(e.experiment)
	return e.wrap(e.storeClear(ctx))
}
