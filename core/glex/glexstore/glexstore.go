// Package glexstore keeps assignments in Redis where GitLab's gem
// gitlab-experiment keeps them, so that Go and Ruby share them:
//
//	rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
//	store, err := glexstore.New(rdb, nil)
//	client, err := core.New(core.Config{KeyScheme: glex.Scheme{}, Store: store, ...})
//
// The layout is that of the gem's RedisHashStore:
//
//	key       the full name of the experiment: a hash that never expires
//	field     the key of the unit
//	value     the bare name of the variant
//	counters  the hash full name "_attrs", field = name, value = count
//
// So no experiment can have the name of another one with "_attrs" behind it. And
// the gem can't read what is stored for an experiment or a key with a colon; keys
// that it hashes have none.
//
// An entry of an older key moves as in the gem: the core claims it under the
// newer key and deletes the older one.
//
// The store is for the time in which both sides run. It has neither a circuit
// breaker nor a cache: while Redis does not answer, each operation takes its
// timeout and the core decides without the store.
package glexstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/rolloutkit/rolloutkit/core"
)

// Options configure a [Store]. nil and the zero value work.
type Options struct {
	// Timeout bounds one operation. 0 means 50 ms.
	Timeout time.Duration
}

// A Store keeps assignments as the gem does. Make it with [New]. It is safe for
// many goroutines and processes.
type Store struct {
	client  redis.UniversalClient
	timeout time.Duration
}

var (
	_ core.Store        = (*Store)(nil)
	_ core.VariantStore = (*Store)(nil)
	_ core.Counter      = (*Store)(nil)
)

const (
	counters = "_attrs" // follows the experiment's name
	maxName  = 255      // bytes of a variant's name; the gem has no bound, and nobody comes near
)

// ErrUnreadable is wrapped where Redis holds what is no assignment: a value
// that is no name of a variant, or a key that is no hash. It is left as it is.
var ErrUnreadable = errors.New("glexstore: what is stored can't be read")

// New returns a store on client, which it does not close. It is an error if the
// client ignores the deadlines of operations, or is a Ring.
func New(client redis.UniversalClient, o *Options) (*Store, error) {
	deadlines := true
	switch c := client.(type) {
	case nil:
		return nil, errors.New("glexstore: New was given no client")
	case *redis.Client:
		deadlines = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		deadlines = c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		return nil, errors.New("glexstore: a redis.Ring moves keys while a node is down, so that assignments seem to be absent; use a cluster or Sentinel")
	}
	if !deadlines {
		return nil, errors.New("glexstore: the client ignores deadlines; set ContextTimeoutEnabled in the options that it is made with")
	}
	s := &Store{client: client, timeout: 50 * time.Millisecond}
	if o != nil && o.Timeout > 0 {
		s.timeout = o.Timeout
	}
	return s, nil
}

// VariantOnly returns true: the gem keeps nothing but the variant's name.
func (s *Store) VariantOnly() bool { return true }

// Load reads all in one round trip, in a cluster one to each node.
func (s *Store) Load(ctx context.Context, lookups []core.Lookup) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	found, _ := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range lookups {
			p.HGet(ctx, lookups[i].Experiment, lookups[i].Key)
		}
		return nil
	})
	for i, cmd := range found { // their first error is Pipelined's
		l := &lookups[i]
		value, err := cmd.(*redis.StringCmd).Result()
		switch {
		case err == nil:
			l.Entry, err = decode(value)
		case errors.Is(err, redis.Nil):
			err = nil
		}
		if err = failed("load from", l.Experiment, err); errors.Is(err, ErrUnreadable) {
			l.Err = err
		} else if err != nil {
			return err
		}
	}
	return nil
}

// claim stores the variant ARGV[2] in the field ARGV[1] if that has ARGV[3], or
// nothing where ARGV[3] is empty. It returns 1, or what the field has.
var claim = redis.NewScript(`
local current = redis.call('HGET', KEYS[1], ARGV[1])
local old = ARGV[3] ~= '' and ARGV[3]
if current ~= old then return current end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
`)

// Claim compares variants. It takes one round trip.
func (s *Store) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (current core.Entry, won bool, err error) {
	if e.Variant == "" {
		return core.Entry{}, false, failed("claim in", experiment, errNoVariant)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	reply, err := claim.Run(ctx, s.client, []string{experiment}, key, e.Variant, old.Variant).Result()
	value, isVariant := reply.(string)
	switch {
	case errors.Is(err, redis.Nil): // nothing is there, and old is not
		return core.Entry{}, false, nil
	case isVariant:
		current, err = decode(value)
	case err == nil:
		current, won = e, true
	}
	return current, won, failed("claim in", experiment, err)
}

// Save stores the variant of e.
func (s *Store) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	if e.Variant == "" {
		return failed("save in", experiment, errNoVariant)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return failed("save in", experiment, s.client.HSet(ctx, experiment, key, e.Variant).Err())
}

// Delete removes the fields.
func (s *Store) Delete(ctx context.Context, experiment string, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return failed("delete in", experiment, s.client.HDel(ctx, experiment, keys...).Err())
}

// Clear removes both hashes of the experiment. Like the gem it refuses to if
// one of them is something else.
func (s *Store) Clear(ctx context.Context, experiment string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	hashes := []string{experiment, experiment + counters}
	for _, key := range hashes {
		kind, err := s.client.Type(ctx, key).Result()
		if err == nil && kind != "hash" && kind != "none" {
			err = fmt.Errorf("%w: the key %q is a %s, no hash", ErrUnreadable, key, kind)
		}
		if err != nil {
			return failed("clear", experiment, err)
		}
	}
	for _, key := range hashes { // in a cluster they are in two places
		if err := s.client.Unlink(ctx, key).Err(); err != nil {
			return failed("clear", experiment, err)
		}
	}
	return nil
}

// Increment adds to a counter. When the connection breaks and the client tries
// again, a count can be skipped but is never given twice.
func (s *Store) Increment(ctx context.Context, experiment, name string, by int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	n, err := s.client.HIncrBy(ctx, experiment+counters, name, by).Result()
	return n, failed("count in", experiment, err)
}

// decode reads a value. The gem takes an empty one for control without saying
// so; here it is unreadable.
func decode(value string) (core.Entry, error) {
	if value == "" || len(value) > maxName || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return core.Entry{}, fmt.Errorf("%w: the value is %.80q", ErrUnreadable, value)
	}
	return core.Entry{Variant: value}, nil
}

var errNoVariant = errors.New("an entry without a variant is not stored")

// failed wraps an error, nil included, with what was being done.
func failed(op, experiment string, err error) error {
	var reply redis.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &reply) && strings.Contains(reply.Error(), "WRONGTYPE"): // which begins the text of plain commands only
		err = fmt.Errorf("%w: the key is no hash", ErrUnreadable)
	}
	return fmt.Errorf("glexstore: %s %s: %w", op, experiment, err)
}
