package redisstore

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

const cacheShards = 32

// A cache remembers a bounded number of assignments, roughly those that were
// asked for last. Each shard has two generations. What is used moves to the
// young one; when that is full, the old one is forgotten.
type cache struct {
	shards [cacheShards]cacheShard
	max    int // per generation
}

type cacheShard struct {
	mu         sync.Mutex
	young, old map[placeID]*cached
}

type cached struct {
	entry core.Entry
	at    int64 // UnixNano of when Redis said so
}

// newCache returns a cache of about size entries at most.
func newCache(size int) *cache {
	return &cache{max: (max(size, 0) + 2*cacheShards - 1) / (2 * cacheShards)}
}

func (c *cache) lock(id placeID) *cacheShard {
	s := &c.shards[binary.LittleEndian.Uint32(id[:])%cacheShards]
	s.mu.Lock()
	return s
}

// get returns what is known of id, if it was learned after since.
func (c *cache) get(id placeID, since time.Time) (core.Entry, bool) {
	s := c.lock(id)
	defer s.mu.Unlock()
	found := s.find(id, c.max)
	if found == nil || !since.IsZero() && found.at < since.UnixNano() {
		return core.Entry{}, false
	}
	return found.entry, true
}

// put remembers that Redis had e under id.
func (c *cache) put(id placeID, e core.Entry, at time.Time) {
	s := c.lock(id)
	defer s.mu.Unlock()
	if found := s.find(id, c.max); found != nil {
		*found = cached{e, at.UnixNano()}
	} else if c.max > 0 {
		s.add(id, &cached{e, at.UnixNano()}, c.max)
	}
}

// find returns what is under id, as young again, or nil.
func (s *cacheShard) find(id placeID, limit int) *cached {
	found := s.young[id]
	if found == nil {
		if found = s.old[id]; found != nil {
			delete(s.old, id)
			s.add(id, found, limit)
		}
	}
	return found
}

func (s *cacheShard) add(id placeID, e *cached, limit int) {
	if s.young == nil || len(s.young) == limit {
		s.young, s.old = make(map[placeID]*cached), s.young
	}
	s.young[id] = e
}

// drop forgets id.
func (c *cache) drop(id placeID) {
	s := c.lock(id)
	defer s.mu.Unlock()
	delete(s.young, id)
	delete(s.old, id)
}

// clear forgets everything.
func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.young, s.old = nil, nil
		s.mu.Unlock()
	}
}

// len returns the number of assignments remembered.
func (c *cache) len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += len(s.young) + len(s.old)
		s.mu.Unlock()
	}
	return n
}
