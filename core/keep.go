package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// This file is all that the core does with a store. Where a unit presents older
// keys, processes of other releases may know only those, while a secret rotates
// or a unit changes. So what the store holds is kept the same under all keys
// that are presented, and the oldest, which every process knows, decides races.

// load reads what stands for the unit into stands, which is zero before and
// where nothing is found. It drops from the migration keys those that hold
// another variant.
func (s *spec) load(ctx context.Context, a *Assignment, who *identity, stands *Entry) (found bool, err error) {
	store := s.client.cfg.Store
	if store == nil || who.fresh() && len(who.older) == who.twins {
		return false, nil
	}
	defer func() {
		if p := recover(); p != nil {
			found, err = false, s.degraded(ctx, a, "load", s.storePanic(ctx, p))
		}
	}()
	var e Entry
	var others []string
	var l Loaded
	var ok bool
	if who.scope != nil {
		l, ok = who.scope.preloaded(place{s.client, s.name, who.key})
	}
	if ok {
		e, others, found, err = l.Entry, l.Others, l.OK, l.Err
	} else if who.twins == 0 {
		e, others, found, err = store.Load(ctx, s.name, who.key, who.older)
	} else {
		e, others, found, err = s.loadTwins(ctx, who)
	}
	if found && err == nil && e.Variant == "" {
		err = errNoVariant
	}
	if err != nil {
		return false, s.degraded(ctx, a, "load", err)
	}
	if len(others) > 0 {
		s.client.stats.conflicts.Add(uint64(len(others)))
		a.MigrationKeys = slices.DeleteFunc(slices.Clone(a.MigrationKeys), func(key string) bool {
			return slices.Contains(others, key)
		})
	}
	if found {
		*stands, who.kept = e, true
	}
	return found, nil
}

var errNoVariant = errors.New("the store returned an entry without a variant")

// lookups returns what has to be read for a unit: what stands under its newest
// key and, while a secret rotates, under the oldest key of the same identity
// too, so that an entry that is copied on migration reaches processes that have
// only the previous secret.
func (s *spec) lookups(who *identity) []Lookup {
	newest := Lookup{Experiment: s.name, Key: who.key, Older: who.older}
	if who.twins == 0 {
		return []Lookup{newest}
	}
	last := who.twins - 1
	older := slices.Concat(who.older[:last], who.older[last+1:])
	return []Lookup{newest, {Experiment: s.name, Key: who.older[last], Older: older}}
}

// joined returns what was found under the newest key. It is unknown if any of
// the lookups failed.
func joined(loaded []Loaded) Loaded {
	first := loaded[0]
	for i := 1; i < len(loaded); i++ {
		first.Err = errors.Join(first.Err, loaded[i].Err)
	}
	return first
}

// loadTwins loads all lookups of a unit that has keys under several secrets.
func (s *spec) loadTwins(ctx context.Context, who *identity) (Entry, []string, bool, error) {
	lookups := s.lookups(who)
	if b, ok := s.client.cfg.Store.(BatchLoader); ok {
		loaded := b.LoadBatch(ctx, lookups)
		if len(loaded) != len(lookups) {
			return Entry{}, nil, false, fmt.Errorf("the store answered %d of %d look-ups", len(loaded), len(lookups))
		}
		first := joined(loaded)
		return first.Entry, first.Others, first.OK, first.Err
	}
	store := s.client.cfg.Store
	if _, _, _, err := store.Load(ctx, s.name, lookups[1].Key, lookups[1].Older); err != nil {
		return Entry{}, nil, false, err
	}
	return store.Load(ctx, s.name, who.key, who.older)
}

// keeps reports whether the store can keep the entry as it is.
func (s *spec) keeps(e *Entry) bool {
	return s.client.cfg.Store != nil && (e.Final || !s.client.variantOnly)
}

// claim stores next in the place of old and returns what stands. A fresh
// assignment, and a ramp that moves an open control, are claimed under the
// oldest key first, but under none that held another variant when it was read.
func (s *spec) claim(ctx context.Context, a *Assignment, who *identity, old, next Entry) (stands Entry, err error) {
	store := s.client.cfg.Store
	if store == nil {
		return next, nil
	}
	defer func() {
		if p := recover(); p != nil {
			stands, err = Entry{}, s.degraded(ctx, a, "claim", s.storePanic(ctx, p))
		}
	}()
	stands = next
	if old == (Entry{}) || !old.Final {
		for _, key := range slices.Backward(a.MigrationKeys) {
			stands, err = store.Claim(ctx, s.name, key, old, stands)
			if err = orNoVariant(stands, err); err != nil {
				break
			}
		}
	}
	if err == nil {
		stands, err = store.Claim(ctx, s.name, who.key, old, stands)
		err = orNoVariant(stands, err)
	}
	if err != nil {
		return Entry{}, s.degraded(ctx, a, "claim", err)
	}
	who.kept = true
	return stands, nil
}

func orNoVariant(stands Entry, err error) error {
	if err == nil && stands.Variant == "" {
		return errNoVariant
	}
	return err
}

// save overwrites what stands for the unit, under previous secrets too.
func (s *spec) save(ctx context.Context, a *Assignment, who *identity, e Entry) {
	store := s.client.cfg.Store
	if store == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			_ = s.degraded(ctx, a, "save", s.storePanic(ctx, p))
		}
	}()
	err := store.Save(ctx, s.name, who.key, e)
	for i := 0; i < who.twins && err == nil; i++ {
		err = store.Save(ctx, s.name, who.older[i], e)
	}
	who.kept = err == nil
	if err != nil {
		_ = s.degraded(ctx, a, "save", err)
	}
}

// administer lets do work on the store, for an operator: errors are returned.
func (s *spec) administer(ctx context.Context, do func(Store) error) (err error) {
	store := s.client.cfg.Store
	if store == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = s.storePanic(ctx, p)
		}
	}()
	if err := do(store); err != nil {
		return fmt.Errorf("core: experiment %s: %w", s.name, err)
	}
	return nil
}

func (s *spec) storePanic(ctx context.Context, p any) error {
	s.panicked(ctx, "store", "", p)
	return fmt.Errorf("core: experiment %s: the store panicked: %s", s.name, panicText(p))
}
