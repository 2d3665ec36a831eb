package conformance

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// memoryHarness returns the harness of the memory store without expiry, which
// takes time.
func memoryHarness() StoreHarness {
	h := StoreHarness{
		Name:        "memory",
		New:         func(*testing.T) core.Store { return core.NewMemoryStore(nil) },
		Unsupported: map[core.Capability]string{},
	}
	for _, c := range []core.Capability{Expires, Shares, HoldsGarbage, Interleaves, Remote} {
		h.Unsupported[c] = "not needed"
	}
	return h
}

type fullStore interface {
	core.Store
	core.BatchLoader
	core.Counter
}

// A broken store does what its funcs say, and what the store inside does where
// they are nil. Batches are made of its own Load.
type broken struct {
	fullStore
	load      func(ctx context.Context, experiment, key string, older []string) core.Loaded
	claim     func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error)
	save      func(ctx context.Context, experiment, key string, e core.Entry) error
	delete    func(ctx context.Context, experiment string, keys []string) error
	clear     func(ctx context.Context, experiment string) error
	batch     func(ctx context.Context, lookups []core.Lookup) []core.Loaded
	increment func(ctx context.Context, experiment, name string, by int64) (int64, error)
	names     func(experiment, key string) (string, string)
}

func (b *broken) at(experiment, key string) (string, string) {
	if b.names == nil {
		return experiment, key
	}
	return b.names(experiment, key)
}

func (b *broken) Load(ctx context.Context, experiment, key string, older []string) (core.Entry, []string, bool, error) {
	if b.load != nil {
		l := b.load(ctx, experiment, key, older)
		return l.Entry, l.Others, l.OK, l.Err
	}
	renamed, key := b.at(experiment, key)
	if b.names != nil {
		older = slices.Clone(older)
		for i := range older {
			_, older[i] = b.at(experiment, older[i])
		}
	}
	return b.fullStore.Load(ctx, renamed, key, older)
}

func (b *broken) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
	experiment, key = b.at(experiment, key)
	if b.claim != nil {
		return b.claim(ctx, experiment, key, old, e)
	}
	return b.fullStore.Claim(ctx, experiment, key, old, e)
}

func (b *broken) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	experiment, key = b.at(experiment, key)
	if b.save != nil {
		return b.save(ctx, experiment, key, e)
	}
	return b.fullStore.Save(ctx, experiment, key, e)
}

func (b *broken) Delete(ctx context.Context, experiment string, keys ...string) error {
	if b.delete != nil {
		return b.delete(ctx, experiment, keys)
	}
	return b.fullStore.Delete(ctx, experiment, keys...)
}

func (b *broken) Clear(ctx context.Context, experiment string) error {
	if b.clear != nil {
		return b.clear(ctx, experiment)
	}
	return b.fullStore.Clear(ctx, experiment)
}

func (b *broken) LoadBatch(ctx context.Context, lookups []core.Lookup) []core.Loaded {
	if b.batch != nil {
		return b.batch(ctx, lookups)
	}
	return loadEach(ctx, b, lookups)
}

func (b *broken) Increment(ctx context.Context, experiment, name string, by int64) (int64, error) {
	if b.increment != nil {
		return b.increment(ctx, experiment, name, by)
	}
	return b.fullStore.Increment(ctx, experiment, name, by)
}

// peek returns what the store inside has, the zero entry for nothing.
func (b *broken) peek(ctx context.Context, experiment, key string) core.Entry {
	e, _, _, _ := b.fullStore.Load(ctx, experiment, key, nil)
	return e
}

// inner returns what a load of the store inside returns.
func (b *broken) inner(ctx context.Context, experiment, key string, older []string) (l core.Loaded) {
	l.Entry, l.Others, l.OK, l.Err = b.fullStore.Load(ctx, experiment, key, older)
	return l
}

// breaking breaks every store of a harness by harm.
func breaking(harm func(t *testing.T, b *broken)) func(*StoreHarness) {
	return func(h *StoreHarness) {
		wrap := func(t *testing.T, s core.Store) core.Store {
			b := &broken{fullStore: s.(fullStore)}
			harm(t, b)
			return b
		}
		intact := *h
		plain := func(s core.Store) core.Store { return s.(*broken).fullStore }
		h.New = func(t *testing.T) core.Store { return wrap(t, intact.New(t)) }
		if h.Join != nil {
			h.Join = func(t *testing.T, address string) core.Store { return wrap(t, intact.Join(t, address)) }
			h.Address = func(t *testing.T, s core.Store) string { return intact.Address(t, plain(s)) }
		}
		if h.Corrupt != nil {
			h.Corrupt = func(t *testing.T, s core.Store, experiment, key string) { intact.Corrupt(t, plain(s), experiment, key) }
		}
		if h.Between != nil {
			h.Between = func(t *testing.T, s core.Store, write func()) func() bool { return intact.Between(t, plain(s), write) }
		}
		if h.Blocked != nil {
			h.Blocked = func(t *testing.T) core.Store { return wrap(t, intact.Blocked(t)) }
			h.Down = func(t *testing.T) core.Store { return wrap(t, intact.Down(t)) }
		}
		if h.Expiring != nil {
			h.Expiring = func(t *testing.T) (core.Store, time.Duration, func(time.Duration)) {
				s, ttl, pass := intact.Expiring(t)
				return wrap(t, s), ttl, pass
			}
		}
	}
}

// loading changes what Load returns.
func loading(f func(ctx context.Context, b *broken, l *core.Loaded, experiment, key string, older []string)) func(*StoreHarness) {
	return breaking(func(_ *testing.T, b *broken) {
		b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
			l := b.inner(ctx, experiment, key, older)
			f(ctx, b, &l, experiment, key, older)
			return l
		}
	})
}

// claiming changes the entry that Claim stores, not the one that it returns.
func claiming(f func(old core.Entry, e *core.Entry)) func(*StoreHarness) {
	return breaking(func(_ *testing.T, b *broken) {
		b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
			stored := e
			f(old, &stored)
			stands, err := b.fullStore.Claim(ctx, experiment, key, old, stored)
			if stands == stored {
				stands = e
			}
			return stands, err
		}
	})
}
