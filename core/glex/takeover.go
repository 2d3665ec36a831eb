package glex

import (
	"context"
	"errors"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Takeover is a [core.Store] that replaces another one while experiments run.
// Make it with [TakeOver]. It is safe for many goroutines.
type Takeover struct {
	from, to core.Store
}

var (
	_ core.Store        = (*Takeover)(nil)
	_ core.VariantStore = (*Takeover)(nil)
	_ core.Counter      = (*Takeover)(nil)
)

// TakeOver returns a store that keeps everything in to, and copies there what
// only from has, one unit at a time as the units come by. It is how an
// experiment leaves the gem's layout when no Ruby process uses it any more: from
// has redisstore's GLEXLayout, to has not. From then on controls are kept too.
// Every read of a unit that is new to both costs one round trip to from for
// each of its keys, so it is not meant to stay for ever.
func TakeOver(from, to core.Store) *Takeover { return &Takeover{from: from, to: to} }

// Load returns the entry in to, or copies that in from.
func (t *Takeover) Load(ctx context.Context, experiment, key string, older []string) (e core.Entry, others []string, ok bool, err error) {
	e, others, ok, err = t.to.Load(ctx, experiment, key, older)
	if ok || err != nil {
		return e, others, ok, err
	}
	// Key by key, since a store may move entries when it is told of older ones.
	for i := range 1 + len(older) {
		k := key
		if i > 0 {
			k = older[i-1]
		}
		found, _, has, err := t.from.Load(ctx, experiment, k, nil)
		switch {
		case err != nil:
			return core.Entry{}, nil, false, err
		case has && !ok:
			if e, err = t.to.Claim(ctx, experiment, key, core.Entry{}, found); err != nil {
				return core.Entry{}, nil, false, err
			}
			ok = true
		case has && found.Variant != e.Variant:
			others = append(others, k)
		}
	}
	return e, others, ok, nil
}

// Claim claims in to.
func (t *Takeover) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
	return t.to.Claim(ctx, experiment, key, old, e)
}

// Save saves in to.
func (t *Takeover) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	return t.to.Save(ctx, experiment, key, e)
}

// Delete deletes in both, from first, since to would else get it back.
func (t *Takeover) Delete(ctx context.Context, experiment string, keys ...string) error {
	if err := t.from.Delete(ctx, experiment, keys...); err != nil {
		return err
	}
	return t.to.Delete(ctx, experiment, keys...)
}

// Clear clears both, from first.
func (t *Takeover) Clear(ctx context.Context, experiment string) error {
	if err := t.from.Clear(ctx, experiment); err != nil {
		return err
	}
	return t.to.Clear(ctx, experiment)
}

// VariantOnly reports whether to keeps variant names only.
func (t *Takeover) VariantOnly() bool {
	v, ok := t.to.(core.VariantStore)
	return ok && v.VariantOnly()
}

// Increment counts in to, from the beginning. It is an error if to is no
// counter.
func (t *Takeover) Increment(ctx context.Context, experiment, name string, by int64) (int64, error) {
	c, ok := t.to.(core.Counter)
	if !ok {
		return 0, errors.New("glex: TakeOver: the new store is no counter")
	}
	return c.Increment(ctx, experiment, name, by)
}
