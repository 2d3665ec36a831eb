package redisstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rolloutkit/rolloutkit/core"
)

// background is the context of commands, whose own is that of their call.
var background = context.Background()

// A Store keeps assignments in Redis. Make it with [New]. It is for many
// goroutines, and every process of a fleet has its own.
type Store struct {
	client     redis.UniversalClient
	opts       Options
	run        *runner
	settleLate func(*call, error) // settle, made once
	hints      *hints
	breaker    *breaker
	cache      *cache // nil for none
	stats      counters
	now        func() time.Time

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	mu     sync.Mutex // orders the start of background work with Close
	closed bool
	tasks  sync.WaitGroup
}

var (
	_ core.Store        = (*Store)(nil)
	_ core.VariantStore = (*Store)(nil)
	_ core.BatchLoader  = (*Store)(nil)
	_ core.Counter      = (*Store)(nil)
)

// New returns a store on client, which may be of any kind that
// [redis.UniversalClient] stands for except a Ring: a Ring moves keys while a
// node is down, so that assignments would seem to be absent. nil options work.
//
// The store does not close the client. To a single-node client it adds a hook
// that gives the store's commands a deadline and lets all others pass; hooks that
// are added to the client later don't see the store's commands.
//
// In the background New asks the server once for what [Store.Check] looks at
// and logs what it finds; it neither waits nor fails when Redis is down.
func New(client redis.UniversalClient, o *Options) *Store {
	s := &Store{client: client, opts: o.withDefaults(), now: time.Now}
	s.settleLate = s.settle
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.hints = newHints()
	s.cache = newCache(s.opts.CacheSize)
	parts := 1
	s.run = newRunner(client, &s.opts)
	switch c := client.(type) {
	case *redis.Client:
		if c == nil {
			s.client = nil
			break
		}
		s.run.bridge = newBridge(c, s.opts.Budget)
		s.run.direct = endsInTime(c.Options())
	case *redis.ClusterClient:
		if c == nil {
			s.client = nil
			break
		}
		parts = clusterCircuits
	}
	s.breaker = newBreaker(s, parts)
	if s.client != nil {
		s.background(s.checkAtStart)
	}
	return s
}

// VariantOnly reports whether the store keeps variant names only, which it does
// in GLEXLayout: open controls and exclusions are then not stored.
func (s *Store) VariantOnly() bool { return s.opts.Layout == GLEXLayout }

// Load returns the entry under key, or copies that of the first of older that
// has one, as [core.Store] says; in GLEXLayout it moves it, as the gem does.
// It takes one round trip, and a second one to copy.
//
// While Redis does not answer, Load returns what this process last knew of key,
// or else of an older key, and an error where it knows nothing.
func (s *Store) Load(ctx context.Context, experiment, key string, older []string) (e core.Entry, others []string, ok bool, err error) {
	if len(older) == 0 {
		if e, ok, err = s.loadOne(ctx, experiment, key); err != nil {
			err = failed("load from", experiment, err)
		}
		return e, nil, ok, err
	}
	l := []lookup{{experiment: experiment, key: key, older: older}}
	s.load(ctx, l)
	return l[0].entry, l[0].others, l[0].ok, l[0].err
}

// Claim stores e under key if nothing or old stands there, and returns what
// stands afterwards. It takes one round trip, and a second one where another
// claim came first in the same moment.
func (s *Store) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
	f, err := s.encode(e)
	if err != nil {
		return core.Entry{}, failed("claim in", experiment, err)
	}
	var was *form
	if old != (core.Entry{}) {
		o, err := s.encode(old)
		if err != nil {
			return core.Entry{}, failed("claim in", experiment, err)
		}
		was = &o
	}
	p := s.place(experiment, key)
	stands, err := s.claim(ctx, p, was, f, e)
	if err != nil {
		return core.Entry{}, failed("claim in", experiment, err)
	}
	return stands, nil
}

// claim returns what stands after claiming e, in the form f.
func (s *Store) claim(ctx context.Context, p place, old *form, f form, e core.Entry) (core.Entry, error) {
	if q, ok := s.short(p, f); ok && old == nil {
		q, err := s.do(ctx, true, q)
		if err != nil {
			return core.Entry{}, err
		}
		switch won, err := q.cmd.(*redis.IntCmd).Result(); {
		case err != nil:
			return core.Entry{}, s.judge(err)
		case won == 1:
			s.cache.put(p.id, e, s.now())
			return e, nil
		}
		if q, err = s.do(ctx, false, s.reading(p)); err != nil {
			return core.Entry{}, err
		}
		if stands, err := s.found(&p, q, 0, s.now()); err != nil || stands.Variant != "" {
			return stands, err
		}
	}
	q, err := s.do(ctx, true, s.write(p, "claim", old, f))
	if err != nil {
		return core.Entry{}, err
	}
	return s.claimed(p, e, q.cmd)
}

// claimed reads the answer of the write script to a claim of e.
func (s *Store) claimed(p place, e core.Entry, cmd redis.Cmder) (core.Entry, error) {
	reply, err := cmd.(*redis.Cmd).Result()
	if err != nil {
		return core.Entry{}, s.judge(err)
	}
	stands := e
	switch v := reply.(type) {
	case int64: // written
	case string:
		stands, err = s.decode(v, "")
	case []any:
		value, head, fault := pair(v)
		if err = fault; err == nil {
			stands, err = s.decode(value, head)
		}
	default:
		err = fmt.Errorf("%w: the script answered %v", ErrUnreadable, reply)
	}
	if err != nil {
		return core.Entry{}, s.judge(err)
	}
	s.cache.put(p.id, stands, s.now())
	return stands, nil
}

// pair reads the value and the head that the write script answers.
func pair(reply []any) (value, head string, err error) {
	if len(reply) == 2 {
		v, isText := reply[0].(string)
		h, alsoText := reply[1].(string)
		if isText && alsoText {
			return v, h, nil
		}
	}
	return "", "", fmt.Errorf("%w: the script answered %v", ErrUnreadable, reply)
}

// Save stores e under key, whatever stands there, in one round trip.
func (s *Store) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	f, err := s.encode(e)
	if err != nil {
		return failed("save in", experiment, err)
	}
	p := s.place(experiment, key)
	q, err := s.do(ctx, true, s.write(p, "save", nil, f))
	if err == nil {
		err = s.judge(q.cmd.Err())
	}
	if err != nil {
		s.cache.drop(p.id) // it may have been stored all the same
		return failed("save in", experiment, err)
	}
	s.cache.put(p.id, e, s.now())
	return nil
}

// Delete removes the entries under keys, in one round trip for each node.
func (s *Store) Delete(ctx context.Context, experiment string, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	requests := make([]request, len(keys))
	for i, key := range keys {
		p := s.place(experiment, key)
		s.cache.drop(p.id)
		requests[i] = request{key: p.key, cmd: redis.NewIntCmd(background, "hdel", p.key, p.field)}
	}
	err := s.all(ctx, true, requests)
	for _, key := range keys { // a read under way may have brought one back
		s.cache.drop(s.place(experiment, key).id)
	}
	if err != nil {
		return failed("delete in", experiment, err)
	}
	return nil
}

// Increment adds by to a counter of the experiment. When the connection breaks
// and the client tries again, a count can be skipped but is never given twice.
func (s *Store) Increment(ctx context.Context, experiment, name string, by int64) (int64, error) {
	key := s.counterKey(experiment)
	q := request{key: key, cmd: redis.NewCmd(background, "hincrby", key, name, by)}
	if s.opts.Layout != GLEXLayout {
		q = countScript.on(key, name, by, s.opts.ttl())
	}
	q, err := s.do(ctx, true, q)
	var n int64
	if err == nil {
		n, err = q.cmd.(*redis.Cmd).Int64()
		err = s.judge(err)
	}
	if err != nil {
		return 0, failed("count in", experiment, err)
	}
	return n, nil
}

const maxClosing = time.Second

// Close stops the background work and fails every operation from then on. It
// waits for commands under way, but no longer than a budget and at most a
// second. A command that the client still waits for ends when the client gives
// it up: a single-node client within another budget, a cluster client after its
// ReadTimeout or when it is closed. The client stays open.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.run.close()
	ended := make(chan struct{})
	go func() {
		s.run.ended.Wait()
		s.tasks.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(min(s.opts.Budget, maxClosing)):
	}
	return nil
}

// background runs fn in a goroutine until it returns; its ctx ends with Close.
// It reports false once the store is closed.
func (s *Store) background(fn func(context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.tasks.Go(func() { fn(s.ctx) })
	return true
}

// encode returns the form of e in the store's layout.
func (s *Store) encode(e core.Entry) (form, error) {
	switch {
	case e.Variant == "":
		return form{}, errNoVariant
	case s.opts.Layout == GLEXLayout:
		return form{coded: e.Variant}, nil
	}
	return encode(e), nil
}

// decode reads a value in the store's layout.
func (s *Store) decode(value, head string) (core.Entry, error) {
	if s.opts.Layout == GLEXLayout {
		return decodeGLEX(value)
	}
	return decode(value, head)
}
