package glex

import (
	"context"
	"errors"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Migration is a [core.Store] that replaces another one while experiments run.
// Make it with [Migrate]. It is safe for many goroutines.
type Migration struct {
	from, to core.Store
}

var (
	_ core.Store        = (*Migration)(nil)
	_ core.VariantStore = (*Migration)(nil)
	_ core.Counter      = (*Migration)(nil)
)

// Migrate returns a store that keeps everything in to, and copies there what
// only from has, one unit at a time as the units come by. It is how an
// experiment leaves the gem's layout when no Ruby process uses it any more: from
// is a glexstore, to another store. From then on controls are kept too.
//
// An entry that comes from the gem's layout has a variant and nothing else: it
// is final, so no ramp moves its unit, and its origin is unknown, so that
// comparisons of units by their origin leave it out.
//
// Every read of a key that is new to to costs one round trip to from, so a
// migration is not meant to stay for ever.
func Migrate(from, to core.Store) *Migration { return &Migration{from: from, to: to} }

// Load loads from to. What is absent there it loads from from, and claims in to.
func (m *Migration) Load(ctx context.Context, lookups []core.Lookup) error {
	if err := m.to.Load(ctx, lookups); err != nil {
		return err
	}
	var absent []core.Lookup
	var places []int // of absent in lookups
	for i, l := range lookups {
		if l.Entry == (core.Entry{}) && l.Err == nil {
			absent, places = append(absent, l), append(places, i)
		}
	}
	if absent == nil {
		return nil
	}
	if err := m.from.Load(ctx, absent); err != nil {
		return err
	}
	for i, l := range absent {
		if l.Entry != (core.Entry{}) && l.Err == nil {
			l.Entry, _, l.Err = m.to.Claim(ctx, l.Experiment, l.Key, core.Entry{}, l.Entry)
		}
		lookups[places[i]] = l
	}
	return nil
}

// Claim claims in to.
func (m *Migration) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, bool, error) {
	return m.to.Claim(ctx, experiment, key, old, e)
}

// Save saves in to.
func (m *Migration) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	return m.to.Save(ctx, experiment, key, e)
}

// Delete deletes in both, from first, since to would else get it back.
func (m *Migration) Delete(ctx context.Context, experiment string, keys ...string) error {
	if err := m.from.Delete(ctx, experiment, keys...); err != nil {
		return err
	}
	return m.to.Delete(ctx, experiment, keys...)
}

// Clear clears both, from first.
func (m *Migration) Clear(ctx context.Context, experiment string) error {
	if err := m.from.Clear(ctx, experiment); err != nil {
		return err
	}
	return m.to.Clear(ctx, experiment)
}

// VariantOnly reports whether to keeps variant names only.
func (m *Migration) VariantOnly() bool {
	v, ok := m.to.(core.VariantStore)
	return ok && v.VariantOnly()
}

// Increment counts in to, from the beginning. It is an error if to is no
// counter.
func (m *Migration) Increment(ctx context.Context, experiment, name string, by int64) (int64, error) {
	c, ok := m.to.(core.Counter)
	if !ok {
		return 0, errors.New("glex: Migrate: the new store is no counter")
	}
	return c.Increment(ctx, experiment, name, by)
}
