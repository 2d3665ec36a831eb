// Package memstore keeps assignments in the memory of one process: for tests and
// examples, for services of one process, and for experiments short enough to
// restart with it.
package memstore

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

const (
	defaultMaxEntries = 1_000_000
	maxShards         = 64
	minShardEntries   = 1024 // fewer are not worth a lock of their own
)

// Options configure a [Store].
type Options struct {
	// MaxEntries is how many entries the store holds, over all experiments.
	// When it is full, a new one takes the place of one that was not used for
	// long. Zero and below mean 1,000,000, which take about 40 MB; a store that
	// holds few takes little, whatever its bound.
	MaxEntries int

	// TTL is how long an entry is kept after it was last written or read. The precision is a millisecond, rounded up. Zero and below mean that
	// entries do not expire.
	TTL time.Duration
}

// A Store is a [Store] in the memory of one process, for tests and
// examples, for services of one process, and for experiments short enough to
// restart with it. It is a [core.Counter] too. Make one with
// [New]; it is fit for many goroutines.
//
// Roughly the least recently used entries go first (the CLOCK algorithm, per
// shard). Keys are held as 128 bits of a hash that is seeded per store, so
// nobody can craft two that collide. Counts are neither bounded nor do they
// expire: there are as many as the app has names for.
type Store struct {
	max    int64
	ttl    int64                // milliseconds; 0: entries do not expire
	now    func() time.Duration // since any fixed time, never going back
	seeds  [3]maphash.Seed
	shards []shard // their number is a power of two

	_     [64]byte // what follows changes; keep it off the cache lines above
	held  atomic.Int64
	kinds kinds

	countsMu sync.Mutex
	counts   map[string]map[string]int64 // by experiment and name
}

// A shard is the part of the store that one lock guards.
type shard struct {
	sync.Mutex
	table
}

// New returns an empty store. nil options mean 1,000,000 entries
// that do not expire.
func New(o *Options) *Store {
	if o == nil {
		o = &Options{}
	}
	bound := o.MaxEntries
	if bound <= 0 {
		bound = defaultMaxEntries
	}
	shards := 1
	for shards < maxShards && 2*shards*minShardEntries <= bound {
		shards *= 2
	}
	return newStore(bound, shards, o.TTL)
}

func newStore(bound, shards int, ttl time.Duration) *Store {
	start := time.Now()
	m := &Store{
		max:    int64(bound),
		now:    func() time.Duration { return time.Since(start) },
		shards: make([]shard, shards),
		counts: make(map[string]map[string]int64),
	}
	if ttl > 0 {
		m.ttl = int64((ttl-1)/time.Millisecond) + 1
	}
	for i := range m.seeds {
		m.seeds[i] = maphash.MakeSeed()
	}
	for i := range m.shards {
		m.shards[i].share = bound / shards
	}
	m.kinds.init(maxKinds)
	return m
}

// Load implements [core.Store]. It allocates nothing for a final entry, nor for
// an open one that begins as its key does. The error is nil.
func (m *Store) Load(_ context.Context, lookups []core.Lookup) error {
	t := m.instant()
	for i := range lookups {
		l := &lookups[i]
		l.Entry, _ = m.read(l.Experiment, l.Key, t)
	}
	return nil
}

// Claim implements [core.Store]. The error is nil unless e names no variant, or the
// store holds more than 16 million entries that differ in more than the key.
func (m *Store) Claim(_ context.Context, experiment, key string, old, e core.Entry) (core.Entry, bool, error) {
	if e.Variant == "" {
		return core.Entry{}, false, noVariant(experiment)
	}
	return m.claim(experiment, key, old, e, m.instant())
}

// Save implements [core.Store]. It fails as [Store.Claim] does.
func (m *Store) Save(_ context.Context, experiment, key string, e core.Entry) error {
	if e.Variant == "" {
		return noVariant(experiment)
	}
	h, t := m.hash(experiment, key), m.instant()
	s := m.shard(h)
	s.Lock()
	defer s.Unlock()
	i, ok := s.find(h)
	return m.put(s, i, ok, h, experiment, e, t)
}

// Delete implements [core.Store]. The error is nil.
func (m *Store) Delete(_ context.Context, experiment string, keys ...string) error {
	for _, key := range keys {
		h := m.hash(experiment, key)
		s := m.shard(h)
		s.Lock()
		if i, ok := s.find(h); ok {
			m.drop(s, i)
		}
		s.Unlock()
	}
	return nil
}

// Clear implements [core.Store]. It looks at every entry of the store, one shard
// after the other. The error is nil.
func (m *Store) Clear(_ context.Context, experiment string) error {
	for i := range m.shards {
		s := &m.shards[i]
		s.Lock()
		before := s.used
		s.keep(func(sl *slot) bool {
			if m.kinds.at(sl.kind()).experiment != experiment {
				return true
			}
			m.kinds.release(sl.kind())
			return false
		})
		m.held.Add(int64(s.used - before))
		s.Unlock()
	}
	m.countsMu.Lock()
	defer m.countsMu.Unlock()
	delete(m.counts, experiment)
	return nil
}

// Increment implements [core.Counter]. The error is nil.
func (m *Store) Increment(_ context.Context, experiment, name string, by int64) (int64, error) {
	m.countsMu.Lock()
	defer m.countsMu.Unlock()
	counts := m.counts[experiment]
	if counts == nil {
		counts = make(map[string]int64)
		m.counts[experiment] = counts
	}
	counts[name] += by
	return counts[name], nil
}

// Len returns how many entries the store holds. Expired ones count until
// something comes upon them.
func (m *Store) Len() int { return int(m.held.Load()) }

// An instant is the time of one operation in milliseconds: now, and the oldest
// stamp that has not expired. Both are 0 in a store without a TTL.
type instant struct{ now, oldest int64 }

func (m *Store) instant() instant {
	if m.ttl == 0 {
		return instant{}
	}
	now := m.now().Milliseconds()
	return instant{now, now - m.ttl}
}

// hash returns what stands for the key in the tables. Two keys of a store share
// it with a chance of 1 in 2^128.
func (m *Store) hash(experiment, key string) hash128 {
	x := maphash.String(m.seeds[0], experiment)
	return hash128{
		hi: maphash.String(m.seeds[1], key) + x,
		lo: maphash.String(m.seeds[2], key) + bits.RotateLeft64(x, 32),
	}
}

// shard returns where h belongs. Tables go by the high half, shards by the low.
func (m *Store) shard(h hash128) *shard { return &m.shards[h.lo&uint64(len(m.shards)-1)] }

// read returns the entry under key, which counts as a use.
func (m *Store) read(experiment, key string, t instant) (core.Entry, bool) {
	h := m.hash(experiment, key)
	s := m.shard(h)
	s.Lock()
	defer s.Unlock()
	i, ok := s.find(h)
	if !ok {
		return core.Entry{}, false
	}
	sl := &s.slots[i]
	if sl.stamp() < t.oldest {
		m.drop(s, i)
		return core.Entry{}, false
	}
	sl.use(t.now)
	return m.entry(sl, key), true
}

func (m *Store) claim(experiment, key string, old, e core.Entry, t instant) (core.Entry, bool, error) {
	h := m.hash(experiment, key)
	s := m.shard(h)
	s.Lock()
	defer s.Unlock()
	i, ok := s.find(h)
	var current core.Entry
	if ok && s.slots[i].stamp() >= t.oldest {
		s.slots[i].use(t.now)
		current = m.entry(&s.slots[i], old.Open)
	}
	if current != old {
		return current, false, nil
	}
	if err := m.put(s, i, ok, h, experiment, e, t); err != nil {
		return core.Entry{}, false, err
	}
	return e, true, nil
}

// put writes e: at i where found is true, else as a new entry. It is called
// with s locked.
func (m *Store) put(s *shard, i int, found bool, h hash128, experiment string, e core.Entry, t instant) error {
	open, packed := packOpen(e.Open)
	if packed {
		e.Open = ""
	}
	id, err := m.kinds.acquire(experiment, e)
	if err != nil {
		return err
	}
	if found {
		m.kinds.release(s.slots[i].kind())
		s.slots[i] = slot{h, open, newMeta(id, t.now, passesUsed)}
		return nil
	}
	if m.held.Add(1) > m.max {
		m.evict(s, t)
	}
	s.insert(slot{h, open, newMeta(id, t.now, passesNew)})
	return nil
}

// evict drops one entry: of s, which the caller has locked, or if s is empty,
// of another shard. There, waiting for a lock could be waiting for one who
// waits for s, so it only tries; and it gets one in the end, since the others
// that hold a lock and find their shard empty are fewer than the entries.
func (m *Store) evict(s *shard, t instant) {
	if s.used > 0 {
		m.drop(s, s.victim(t.oldest))
		return
	}
	for i := 0; ; i = (i + 1) % len(m.shards) {
		if other := &m.shards[i]; other != s && other.TryLock() {
			found := other.used > 0
			if found {
				m.drop(other, other.victim(t.oldest))
			}
			other.Unlock()
			if found {
				return
			}
		}
	}
}

// drop removes the entry at i. It is called with s locked.
func (m *Store) drop(s *shard, i int) {
	m.kinds.release(s.slots[i].kind())
	s.remove(i)
	m.held.Add(-1)
}

// entry returns what sl holds. Its Open is mostly the beginning of a text that
// the caller has, hint, and then costs no allocation.
func (m *Store) entry(sl *slot, hint string) core.Entry {
	e := m.kinds.at(sl.kind()).entry
	if sl.open != 0 {
		e.Open = unpackOpen(sl.open, hint)
	}
	return e
}

func noVariant(experiment string) error {
	return fmt.Errorf("memstore: experiment %s: an entry without a variant can't be stored", experiment)
}
