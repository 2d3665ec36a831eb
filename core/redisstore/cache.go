package redisstore

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

const cacheShards = 32

// A cache remembers a bounded number of assignments. The one that was not asked
// for longest makes room, or nearly so: entries get a second chance in the
// order in which they came.
type cache struct {
	shards [cacheShards]cacheShard
	max    int // per shard
}

type cacheShard struct {
	mu    sync.Mutex
	index map[[fieldBytes]byte]int
	slots []cacheSlot
	hand  int
}

type cacheSlot struct {
	id    [fieldBytes]byte
	entry core.Entry
	at    int64 // UnixNano of when Redis said so
	used  bool
}

// newCache returns a cache of about size entries, nil for none.
func newCache(size int) *cache {
	if size <= 0 {
		return nil
	}
	return &cache{max: (size + cacheShards - 1) / cacheShards}
}

func (c *cache) shard(id [fieldBytes]byte) *cacheShard {
	return &c.shards[binary.LittleEndian.Uint32(id[:])%cacheShards]
}

// get returns what is known of id, if it was learned after since.
func (c *cache) get(id [fieldBytes]byte, since time.Time) (core.Entry, bool) {
	if c == nil {
		return core.Entry{}, false
	}
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[id]
	if !ok || !since.IsZero() && s.slots[i].at < since.UnixNano() {
		return core.Entry{}, false
	}
	s.slots[i].used = true
	return s.slots[i].entry, true
}

// put remembers that Redis had e under id.
func (c *cache) put(id [fieldBytes]byte, e core.Entry, at time.Time) {
	if c == nil {
		return
	}
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.index[id]; ok {
		s.slots[i].entry, s.slots[i].at = e, at.UnixNano()
		return
	}
	slot := cacheSlot{id: id, entry: e, at: at.UnixNano()}
	if s.index == nil {
		s.index = make(map[[fieldBytes]byte]int)
	}
	if len(s.slots) < c.max {
		s.index[id] = len(s.slots)
		s.slots = append(s.slots, slot)
		return
	}
	for s.slots[s.hand].used {
		s.slots[s.hand].used = false
		s.hand = (s.hand + 1) % len(s.slots)
	}
	delete(s.index, s.slots[s.hand].id)
	s.index[id] = s.hand
	s.slots[s.hand] = slot
	s.hand = (s.hand + 1) % len(s.slots)
}

// drop forgets id. Its slot is reused in turn.
func (c *cache) drop(id [fieldBytes]byte) {
	if c == nil {
		return
	}
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.index[id]; ok {
		delete(s.index, id)
		s.slots[i] = cacheSlot{}
	}
}

// clear forgets everything.
func (c *cache) clear() {
	if c == nil {
		return
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.index, s.slots, s.hand = nil, nil, 0
		s.mu.Unlock()
	}
}

// len returns the number of assignments remembered.
func (c *cache) len() int {
	if c == nil {
		return 0
	}
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += len(s.index)
		s.mu.Unlock()
	}
	return n
}
