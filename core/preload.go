package core

import "context"

// A Preloadable is a [Trial], whatever its types.
type Preloadable interface {
	preload(ctx context.Context, s *scoped) (*spec, *identity)
}

// Preload reads the assignments of several trials in one round trip, where the
// ctx has a scope and the store is a [BatchLoader]; elsewhere it does nothing.
// It is for a page that knows its experiments up front:
//
//	core.Preload(ctx, pillColor.For(user), banner.For(user))
//
// Whoever runs these experiments for the same units afterwards, in the same
// request, asks the store no more.
func Preload(ctx context.Context, trials ...Preloadable) {
	s := scopeOf(ctx)
	if s == nil {
		return
	}
	byClient := map[*Client]*batch{}
	for _, t := range trials {
		e, who := t.preload(ctx, s)
		if who.key == "" || who.fresh() {
			continue
		}
		c := e.client
		if byClient[c] == nil {
			byClient[c] = &batch{}
		}
		byClient[c].add(e, who)
	}
	for c, b := range byClient {
		if store, ok := c.cfg.Store.(BatchLoader); ok {
			b.load(ctx, store, s)
		}
	}
}

func (t *Trial[S, R]) preload(ctx context.Context, s *scoped) (*spec, *identity) {
	who := &identity{}
	if t.exp.fault != nil || t.exp.identify(ctx, s, t.subject, true, who) != nil {
		return t.exp.spec, &identity{}
	}
	return t.exp.spec, who
}

// A batch is what one store is asked for at once.
type batch struct {
	units   []unitLookup
	lookups []Lookup
}

// A unitLookup is a unit that takes n lookups.
type unitLookup struct {
	spec *spec
	key  string
	n    int
}

func (b *batch) add(s *spec, who *identity) {
	lookups := s.lookups(who)
	b.units = append(b.units, unitLookup{s, who.key, len(lookups)})
	b.lookups = append(b.lookups, lookups...)
}

// load asks the store and keeps the answers. If it fails as a whole, each trial
// asks for itself.
func (b *batch) load(ctx context.Context, store BatchLoader, s *scoped) {
	defer func() {
		if p := recover(); p != nil {
			b.units[0].spec.panicked(ctx, "store", "", p)
		}
	}()
	loaded := store.LoadBatch(ctx, b.lookups)
	if len(loaded) != len(b.lookups) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded == nil {
		s.loaded = map[place]Loaded{}
	}
	for _, u := range b.units {
		s.loaded[place{u.spec.client, u.spec.name, u.key}] = joined(loaded[:u.n])
		loaded = loaded[u.n:]
	}
}

// preloaded takes what Preload read, once: later the store may know better.
func (s *scoped) preloaded(at place) (Loaded, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.loaded[at]
	delete(s.loaded, at)
	return l, ok
}
