// Package memstore keeps assignments in the memory of one process: for tests
// and examples, for services of one process, and for experiments short enough
// to restart with it.
//
//	client, err := core.New(core.Config{Store: memstore.New(nil), ...})
//
// A million entries take about 40 MB, whatever their keys are, and cost the
// garbage collector nothing. A load that finds its entry allocates nothing.
//
// When the store is full, entries that were not used for long go first, roughly:
// the CLOCK algorithm, per shard. Keys are held as 128 bits of a hash that is
// seeded per store, so nobody can craft two that collide.
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
	// long. Zero and below mean 1,000,000. A store that holds few takes little,
	// whatever its bound.
	MaxEntries int

	// TTL is how long an entry is kept after it was last written or read. The
	// precision is a millisecond, rounded up. Zero and below mean that entries
	// do not expire.
	TTL time.Duration
}

// A Store is a [core.Store] and a [core.Counter]. Make one with [New]; it is fit
// for many goroutines. Counts, and the names of experiments and variants, are
// neither bounded nor do they expire: there are as many as the app has.
type Store struct {
	max    int64
	ttl    int64 // milliseconds; 0: entries do not expire
	start  time.Time
	seeds  [3]maphash.Seed
	shards []shard // their number is a power of two

	_     [64]byte // what follows changes; keep it off the cache lines above
	held  atomic.Int64
	kinds kinds

	countsMu sync.Mutex
	counts   map[string]map[string]int64 // by experiment and name
}

var (
	_ core.Store   = (*Store)(nil)
	_ core.Counter = (*Store)(nil)
)

// A shard is the part of the store that one lock guards.
type shard struct {
	sync.Mutex
	table
}

// New returns an empty store. nil options mean 1,000,000 entries that do not
// expire.
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
	s := &Store{
		max:    int64(bound),
		start:  time.Now(),
		shards: make([]shard, shards),
		counts: make(map[string]map[string]int64),
	}
	if o.TTL > 0 {
		s.ttl = int64((o.TTL-1)/time.Millisecond) + 1
	}
	for i := range s.seeds {
		s.seeds[i] = maphash.MakeSeed()
	}
	for i := range s.shards {
		s.shards[i].share = bound / shards
	}
	s.kinds.init()
	return s
}

// Load implements [core.Store]. The error is nil, and so is that of each lookup.
func (s *Store) Load(_ context.Context, lookups []core.Lookup) error {
	now := s.now()
	for i := range lookups {
		l := &lookups[i]
		at := s.lock(l.Experiment, l.Key, now)
		if at.found {
			sl := at.slot()
			sl.use(now)
			l.Entry = s.entry(sl, openHint(sl.open, lookups[i:]))
		}
		at.Unlock()
	}
	return nil
}

// openHint returns a text that unpacks from open, "" for none known. Entries
// have their Open from the oldest key of their unit: the own key, or one that
// is looked up behind it.
func openHint(open uint64, lookups []core.Lookup) string {
	if open == 0 {
		return ""
	}
	for i := range lookups {
		l := &lookups[i]
		if l.Experiment != lookups[0].Experiment {
			break
		}
		hint := l.Key[:min(len(l.Key), maxOpen)]
		if packed, ok := packOpen(hint); ok && packed == open {
			return hint
		}
	}
	return ""
}

// Claim implements [core.Store]. The error is nil unless e can't be stored: it
// names no variant, or its Open is longer than eight bytes or has a zero byte.
func (s *Store) Claim(_ context.Context, experiment, key string, old, e core.Entry) (current core.Entry, won bool, err error) {
	at := s.lock(experiment, key, s.now())
	defer at.Unlock()
	if at.found {
		current = s.entry(at.slot(), old.Open)
	}
	if current != old {
		if at.found {
			at.slot().use(at.now)
		}
		return current, false, nil
	}
	if err := s.put(&at, experiment, e); err != nil {
		return core.Entry{}, false, err
	}
	return e, true, nil
}

// Save implements [core.Store]. It fails as [Store.Claim] does.
func (s *Store) Save(_ context.Context, experiment, key string, e core.Entry) error {
	at := s.lock(experiment, key, s.now())
	defer at.Unlock()
	return s.put(&at, experiment, e)
}

// Delete implements [core.Store]. The error is nil.
func (s *Store) Delete(_ context.Context, experiment string, keys ...string) error {
	for _, key := range keys {
		at := s.lock(experiment, key, s.now())
		if at.found {
			at.remove(at.i)
			s.held.Add(-1)
		}
		at.Unlock()
	}
	return nil
}

// Clear implements [core.Store]. It looks at every entry of the store, one shard
// after the other. The error is nil.
func (s *Store) Clear(_ context.Context, experiment string) error {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.Lock()
		dropped := sh.drop(func(sl *slot) bool { return s.kinds.at(sl.kind()).experiment == experiment })
		s.held.Add(int64(-dropped))
		sh.Unlock()
	}
	s.countsMu.Lock()
	defer s.countsMu.Unlock()
	delete(s.counts, experiment)
	return nil
}

// Increment implements [core.Counter]. The error is nil.
func (s *Store) Increment(_ context.Context, experiment, name string, by int64) (int64, error) {
	s.countsMu.Lock()
	defer s.countsMu.Unlock()
	counts := s.counts[experiment]
	if counts == nil {
		counts = make(map[string]int64)
		s.counts[experiment] = counts
	}
	counts[name] += by
	return counts[name], nil
}

// Len returns how many entries the store holds. Expired ones count until
// something comes upon them.
func (s *Store) Len() int { return int(s.held.Load()) }

// now returns the milliseconds since New, always 0 in a store without a TTL.
func (s *Store) now() int64 {
	if s.ttl == 0 {
		return 0
	}
	return time.Since(s.start).Milliseconds()
}

// A place is where an entry is, or is to be, in a shard that is locked.
type place struct {
	*shard
	hash  hash128
	now   int64
	i     int // if found
	found bool
}

func (p *place) slot() *slot { return &p.slots[p.i] }

// lock locks the shard of an entry and looks for it. One that expired is
// removed.
func (s *Store) lock(experiment, key string, now int64) place {
	h := s.hash(experiment, key)
	// Tables go by the high half, shards by the low.
	p := place{shard: &s.shards[h.lo&uint64(len(s.shards)-1)], hash: h, now: now}
	p.Lock()
	p.i, p.found = p.find(h)
	if p.found && p.slot().stamp() < now-s.ttl {
		p.remove(p.i)
		s.held.Add(-1)
		p.found = false
	}
	return p
}

// hash returns what the tables hold in place of the key. Two keys of a store
// share it with a chance of 1 in 2^128.
func (s *Store) hash(experiment, key string) hash128 {
	x := maphash.String(s.seeds[0], experiment)
	return hash128{
		hi: maphash.String(s.seeds[1], key) + x,
		lo: maphash.String(s.seeds[2], key) + bits.RotateLeft64(x, 32),
	}
}

// put writes e at a place.
func (s *Store) put(at *place, experiment string, e core.Entry) error {
	if e.Variant == "" {
		return fmt.Errorf("memstore: experiment %s: an entry without a variant can't be stored", experiment)
	}
	open, ok := packOpen(e.Open)
	if !ok {
		return fmt.Errorf("memstore: experiment %s: an entry that is open under %q can't be stored", experiment, e.Open)
	}
	id, err := s.kinds.id(experiment, e)
	if err != nil {
		return err
	}
	if at.found {
		*at.slot() = slot{at.hash, open, newMeta(id, at.now, passesUsed)}
		return nil
	}
	// A full store of several shards holds a thousand entries in each. Should
	// this one be empty all the same, the store holds one more.
	if s.held.Add(1) > s.max && at.used > 0 {
		at.remove(at.victim(at.now - s.ttl))
		s.held.Add(-1)
	}
	at.insert(slot{at.hash, open, newMeta(id, at.now, passesNew)})
	return nil
}

// entry returns what sl holds. hint is what its Open may be: then it costs no
// allocation.
func (s *Store) entry(sl *slot, hint string) core.Entry {
	e := s.kinds.at(sl.kind()).entry
	if sl.open != 0 {
		e.Open = unpackOpen(sl.open, hint)
	}
	return e
}
