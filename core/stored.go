package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// This file is all that the core does with a store. Old releases know only old
// keys, so a fresh write goes to all keys that a unit presents, the oldest
// first: it decides races.

// load reads the current entry of the unit into current, which is zero before
// and where nothing is found. It makes the copies that judge asks for, and drops
// from the migration keys those that hold another variant.
func (s *experiment) load(ctx context.Context, a *Assignment, id *identity, current *Entry) (found bool, err error) {
	if s.client.cfg.Store == nil || id.fresh() && len(id.older) == id.sameUnit {
		return false, nil
	}
	var lookups []Lookup
	var buffer *[]Lookup
	if id.scope != nil {
		lookups = id.scope.preloaded(s.ref(id.key), id)
	}
	if lookups == nil {
		buffer = lookupBuffers.Get().(*[]Lookup)
		lookups = s.appendLookups((*buffer)[:0], id)
		if err := s.storeLoad(ctx, lookups); err != nil {
			// The buffer is not used again: a broken store may still write to it.
			return false, s.degraded(ctx, a, "load", err)
		}
	}
	at := 0
	for i := range lookups {
		switch err := lookups[i].fault(); {
		case err == nil:
		case i > 0 && lookups[0].found():
			// The current entry is known all the same, as in an outage from memory.
			s.storeFailed(ctx, "load", err)
			a.dropMigrationKey(lookups[i].Key)
			lookups[i].Entry, lookups[i].Err = Entry{}, err
		default:
			return false, s.degraded(ctx, a, "load", err)
		}
	}
	if len(lookups) > 1 {
		at = s.settle(ctx, a, lookups, id.sameUnit)
	}
	if lookups[at].found() {
		*current, id.stored, found = lookups[at].Entry, true, true
	}
	if buffer != nil {
		clear(lookups)
		*buffer = lookups
		lookupBuffers.Put(buffer)
	}
	return found, nil
}

// lookupBuffers save an allocation per trial: what an interface's method gets
// is on the heap.
var lookupBuffers = sync.Pool{New: func() any { return new([]Lookup) }}

// appendLookups appends what has to be read for a unit.
func (s *experiment) appendLookups(lookups []Lookup, id *identity) []Lookup {
	first := len(lookups)
	lookups = slices.Grow(lookups, 1+len(id.older))[:first+1+len(id.older)]
	lookups[first].Experiment, lookups[first].Key = s.name, id.key
	for i, key := range id.older {
		l := &lookups[first+1+i]
		l.Experiment, l.Key = s.name, key
	}
	return lookups
}

// found reports whether l has an entry.
func (l *Lookup) found() bool { return l.Entry.Variant != "" }

// fault returns why the answer to l can't be used.
func (l *Lookup) fault() error {
	if l.Err == nil && !l.found() && l.Entry != (Entry{}) {
		return errNoVariant
	}
	return l.Err
}

var errNoVariant = errors.New("the store returned an entry without a variant")

// settle makes the copies that judge asks for, drops from the migration keys
// those in conflict, and returns where the current entry is, if there is one. A
// copy that fails changes nothing for the unit: the original is still there, and
// the next trial tries again.
func (s *experiment) settle(ctx context.Context, a *Assignment, lookups []Lookup, sameUnit int) (current int) {
	v := judge(lookups, sameUnit)
	for i := range v.copies {
		c := &v.copies[i]
		original := &lookups[c.from]
		if c.from == 0 || !original.found() {
			continue
		}
		entry, err := s.storeClaim(ctx, lookups[c.to].Key, Entry{}, original.Entry)
		if err == nil && s.client.variantOnly {
			err = s.storeDelete(ctx, original.Key)
			original.Entry = Entry{}
		}
		if c.to == 0 && entry.Variant != "" {
			v.current, lookups[0].Entry = 0, entry // another's, if the copy lost
		}
		if err != nil {
			s.storeFailed(ctx, "copy", err)
		}
	}
	s.dropConflicts(a, lookups[1:], &lookups[v.current].Entry)
	return v.current
}

// dropConflicts takes the keys that hold another variant out of the migration
// keys, so that nobody joins their events.
func (s *experiment) dropConflicts(a *Assignment, older []Lookup, current *Entry) {
	for i := range older {
		if conflicts(&older[i].Entry, current) {
			s.client.stats.conflicts.Add(1)
			a.dropMigrationKey(older[i].Key)
		}
	}
}

func (a *Assignment) dropMigrationKey(key string) {
	a.MigrationKeys = slices.DeleteFunc(slices.Clone(a.MigrationKeys), func(k string) bool { return k == key })
}

// keeps reports whether the store can keep the entry as it is.
func (s *experiment) keeps(e *Entry) bool {
	return s.client.cfg.Store != nil && (!e.open() || !s.client.variantOnly)
}

// claim stores next in the place of old and returns the current entry. A fresh
// assignment, and a ramp that moves an open control, are claimed under the
// oldest key first, but under none that held another variant when it was read.
func (s *experiment) claim(ctx context.Context, a *Assignment, id *identity, old, next Entry) (current Entry, err error) {
	if s.client.cfg.Store == nil {
		return next, nil
	}
	current = next
	if old == (Entry{}) || old.open() {
		for _, key := range slices.Backward(a.MigrationKeys) {
			if current, err = s.storeClaim(ctx, key, old, current); err != nil {
				return Entry{}, s.degraded(ctx, a, "claim", err)
			}
		}
	}
	if current, err = s.storeClaim(ctx, id.key, old, current); err != nil {
		return Entry{}, s.degraded(ctx, a, "claim", err)
	}
	id.stored = true
	return current, nil
}

// save overwrites the unit's current entry, under previous secrets too.
func (s *experiment) save(ctx context.Context, a *Assignment, id *identity, e Entry) {
	if s.client.cfg.Store == nil {
		return
	}
	err := s.storeSave(ctx, id.key, e)
	for i := 0; i < id.sameUnit && err == nil; i++ {
		err = s.storeSave(ctx, id.older[i], e)
	}
	id.stored = err == nil
	if err != nil {
		_ = s.degraded(ctx, a, "save", err)
	}
}

// Panics of the store are errors.

func (s *experiment) storeLoad(ctx context.Context, lookups []Lookup) (err error) {
	defer s.catch(ctx, "the store", "", &err)
	return s.client.cfg.Store.Load(ctx, lookups)
}

// storeClaim returns the entry that is there afterwards: e itself where this
// call put it there.
func (s *experiment) storeClaim(ctx context.Context, key string, old, e Entry) (current Entry, err error) {
	defer s.catch(ctx, "the store", "", &err)
	current, won, err := s.client.cfg.Store.Claim(ctx, s.name, key, old, e)
	if err == nil && !won && current == (Entry{}) && old != (Entry{}) {
		// Nothing is there: old expired, or was never stored under this older key.
		current, won, err = s.client.cfg.Store.Claim(ctx, s.name, key, Entry{}, e)
	}
	switch {
	case err != nil:
		return Entry{}, err
	case won:
		return e, nil
	case current.Variant == "":
		return Entry{}, errNoVariant
	}
	return current, nil
}

func (s *experiment) storeSave(ctx context.Context, key string, e Entry) (err error) {
	defer s.catch(ctx, "the store", "", &err)
	return s.client.cfg.Store.Save(ctx, s.name, key, e)
}

func (s *experiment) storeDelete(ctx context.Context, keys ...string) (err error) {
	defer s.catch(ctx, "the store", "", &err)
	return s.client.cfg.Store.Delete(ctx, s.name, keys...)
}

func (s *experiment) storeClear(ctx context.Context) (err error) {
	defer s.catch(ctx, "the store", "", &err)
	return s.client.cfg.Store.Clear(ctx, s.name)
}

// wrap says which experiment an error is about.
func (s *experiment) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("core: experiment %s: %w", s.name, err)
}
