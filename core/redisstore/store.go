package redisstore

import (
	"context"
	"errors"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Store keeps assignments in Redis. Make it with [New]. It is for many
// goroutines, and every process of a fleet has its own.
type Store struct {
	client   redis.UniversalClient
	opts     Options
	trips    *pipeliner
	breaker  *breaker
	hints    *hints
	cache    *cache
	stats    counters
	renewals atomic.Int64 // under way
}

var (
	_ core.Store   = (*Store)(nil)
	_ core.Counter = (*Store)(nil)
)

// New returns a store on client. That may be of any kind that
// [redis.UniversalClient] stands for except a Ring, which moves keys while a node
// is down, so that assignments would seem to be absent. It has to end its
// commands at the deadline of their ctx: New returns an error unless
// ContextTimeoutEnabled is set in its options. A client that wraps another is
// trusted in that. nil options work.
//
// The store does not close the client. In the background New asks the server
// once for what [Store.Check] looks at and logs what it finds; it neither waits
// nor fails when Redis is down.
func New(client redis.UniversalClient, o *Options) (*Store, error) {
	maxTrips := math.MaxInt
	endsInTime := true
	switch c := client.(type) {
	case nil:
		return nil, errors.New("redisstore: New was given no client")
	case *redis.Client:
		maxTrips, endsInTime = sharedTrips, c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		endsInTime = c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		endsInTime = c.Options().ContextTimeoutEnabled
	}
	if !endsInTime {
		return nil, errors.New("redisstore: the client does not look at deadlines: set ContextTimeoutEnabled: true in the options that it is made with")
	}
	s := &Store{client: client, opts: o.withDefaults(), hints: &hints{seed: maphash.MakeSeed()}}
	s.trips = &pipeliner{send: s.trip, timeout: s.opts.Timeout, max: maxTrips}
	s.trips.ctx, s.trips.cancel = context.WithCancelCause(background)
	s.cache = newCache(s.opts.CacheSize)
	s.breaker = newBreaker(s)
	s.trips.background(s.checkAtStart)
	return s, nil
}

// Claim stores e under key if old is there, the zero old being nothing, and
// returns the current entry and whether this call stored it. It takes one round
// trip, and a second one where another claim came first in the same moment.
func (s *Store) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (current core.Entry, won bool, err error) {
	p := s.place(experiment, key)
	current, won, err = s.claim(ctx, &p, old, e)
	if err != nil {
		return core.Entry{}, false, s.failed("claim in", experiment, err)
	}
	if current == (core.Entry{}) {
		s.cache.drop(p.id)
	} else {
		s.cache.put(p.id, current, time.Now())
	}
	return current, won, nil
}

func (s *Store) claim(ctx context.Context, p *place, old, e core.Entry) (current core.Entry, won bool, err error) {
	f, err := encode(e)
	var was form
	if err == nil && old != (core.Entry{}) {
		was, err = encode(old)
	}
	if err != nil {
		return core.Entry{}, false, err
	}
	if cmd, ok := s.claimInKnownBucket(p, was, f); ok {
		err := s.doAll(ctx, s.request(true, p.key, cmd))
		if err != nil || cmd.Val() == 1 {
			return e, err == nil, err
		}
	}
	q := s.write(p, modeClaim, was, f)
	if err := s.doAll(ctx, q); err != nil {
		return core.Entry{}, false, err
	}
	reply := q.cmd.(*redis.Cmd).Val()
	if reply == any(int64(1)) {
		return e, true, nil
	}
	there, _ := reply.([]any)
	current, _, err = entryOf(there)
	return current, false, err
}

// Save stores e under key, whatever is there, in one round trip.
func (s *Store) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	f, err := encode(e)
	if err != nil {
		return s.failed("save in", experiment, err)
	}
	p := s.place(experiment, key)
	if err = s.doAll(ctx, s.write(&p, modeSave, form{}, f)); err == nil {
		s.cache.put(p.id, e, time.Now())
	} else {
		s.cache.drop(p.id) // it may have been stored all the same
	}
	return s.failed("save in", experiment, err)
}

// Delete removes the entries under keys, in one round trip for each node.
func (s *Store) Delete(ctx context.Context, experiment string, keys ...string) error {
	places, requests := make([]place, len(keys)), make([]request, len(keys))
	for i, key := range keys {
		p := s.place(experiment, key)
		places[i], requests[i] = p, s.request(true, p.key, redis.NewIntCmd(background, "hdel", p.key, p.field))
	}
	err := s.doAll(ctx, requests...)
	for i := range places {
		s.cache.drop(places[i].id)
	}
	return s.failed("delete in", experiment, err)
}

// clearBatch is the number of keys that one round trip of Clear removes.
const clearBatch = 1000

// Clear removes all entries and counts of one experiment: it unlinks every
// bucket there can be, a thousand in each round trip.
func (s *Store) Clear(ctx context.Context, experiment string) error {
	s.cache.clear()
	defer s.cache.clear() // a read under way may have brought something back
	unlink := func(key string) request {
		return s.request(true, key, redis.NewIntCmd(background, "unlink", key))
	}
	bits := s.opts.bucketBits(experiment)
	requests := []request{unlink(s.counterKey(experiment))}
	for bucket := range uint32(1) << bits {
		requests = append(requests, unlink(string(s.appendBucket(nil, experiment, bits, bucket))))
		if len(requests) < clearBatch && bucket+1 < 1<<bits {
			continue
		}
		if err := s.doAll(ctx, requests...); err != nil {
			return s.failed("clear", experiment, err)
		}
		requests = requests[:0]
	}
	return nil
}

// Increment adds by to a counter of the experiment. When the connection breaks
// and the client tries again, a count can be skipped but is never given twice.
func (s *Store) Increment(ctx context.Context, experiment, name string, by int64) (int64, error) {
	key := s.counterKey(experiment)
	count := redis.NewIntCmd(background, "hincrby", key, name, by)
	requests := []request{s.request(true, key, count)}
	if s.opts.TTL > 0 {
		requests = append(requests, s.request(true, key, redis.NewBoolCmd(background, "pexpire", key, s.opts.ttl())))
	}
	if err := s.doAll(ctx, requests...); err != nil {
		return 0, s.failed("count in", experiment, err)
	}
	return count.Val(), nil
}

// Close stops the background work and fails every operation from then on. It
// waits for operations under way, but at most a second. The client stays open.
func (s *Store) Close() error {
	select {
	case <-s.trips.close():
	case <-time.After(min(s.opts.Timeout, time.Second)):
	}
	return nil
}
