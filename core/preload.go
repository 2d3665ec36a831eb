package core

import "context"

// Preload reads the assignments of several trials in one round trip to the
// store, where the ctx has a scope; elsewhere it does nothing. It is for a page
// that knows its experiments up front:
//
//	core.Preload(ctx, pillColor.For(user), banner.For(user))
//
// Whoever runs these experiments for the same units afterwards, in the same
// request, asks the store no more. Where Preload fails each asks for itself.
func Preload(ctx context.Context, trials ...AnyTrial) {
	scope := scopeOf(ctx)
	if scope == nil {
		return
	}
	batches := map[*Client]*batch{}
	for _, t := range trials {
		s, id := t.identified(ctx, scope)
		if id.key == "" || id.fresh() || s.client.cfg.Store == nil {
			continue
		}
		b := batches[s.client]
		if b == nil {
			b = &batch{asks: s}
			batches[s.client] = b
		}
		first := len(b.lookups)
		b.lookups = s.appendLookups(b.lookups, &id)
		b.units = append(b.units, unitLookups{s.ref(id.key), first, len(b.lookups)})
	}
	for _, b := range batches {
		if b.asks.storeLoad(ctx, b.lookups) == nil {
			scope.keepPreloaded(b)
		}
	}
}

// A batch is what one client's store is asked for at once.
type batch struct {
	asks    *experiment // any of the client's
	lookups []Lookup
	units   []unitLookups
}

// unitLookups says which of a batch's lookups are a unit's: those from first up
// to end.
type unitLookups struct {
	unit       unitRef
	first, end int
}

func (s *scoped) keepPreloaded(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded == nil {
		s.loaded = map[unitRef][]Lookup{}
	}
	for _, u := range b.units {
		s.loaded[u.unit] = b.lookups[u.first:u.end]
	}
}

// preloaded takes what Preload read for a unit, once: later the store may know
// better. It is nil where Preload did not read all keys that id has.
func (s *scoped) preloaded(unit unitRef, id *identity) []Lookup {
	s.mu.Lock()
	defer s.mu.Unlock()
	lookups := s.loaded[unit]
	delete(s.loaded, unit)
	if len(lookups) != 1+len(id.older) {
		return nil
	}
	for i, key := range id.older {
		if lookups[1+i].Key != key {
			return nil
		}
	}
	return lookups
}
