package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// clearBatch is the number of keys that one round trip of Clear removes.
const clearBatch = 1000

// Clear removes all entries and counts of one experiment: it unlinks every
// bucket there can be, a thousand in each round trip.
func (s *Store) Clear(ctx context.Context, experiment string) error {
	defer s.cache.clear()
	s.cache.clear()
	if s.opts.Layout == GLEXLayout {
		if err := s.clearGLEX(ctx, experiment); err != nil {
			return failed("clear", experiment, err)
		}
		return nil
	}
	bits := s.opts.bucketBits(experiment)
	keys := []string{s.counterKey(experiment)}
	for bucket := range uint32(1) << bits {
		keys = append(keys, s.bucketKey(experiment, bits, bucket))
		if len(keys) < clearBatch && bucket+1 < 1<<bits {
			continue
		}
		if err := s.unlink(ctx, keys); err != nil {
			return failed("clear", experiment, err)
		}
		keys = keys[:0]
	}
	return nil
}

// clearGLEX removes an experiment's hash and its attributes, and like the gem
// refuses where they are something else.
func (s *Store) clearGLEX(ctx context.Context, experiment string) error {
	keys := []string{experiment, s.counterKey(experiment)}
	types := make([]request, len(keys))
	for i, key := range keys {
		types[i] = request{key: key, cmd: redis.NewStatusCmd(background, "type", key)}
	}
	if err := s.all(ctx, false, types); err != nil {
		return err
	}
	for i, q := range types {
		if kind := q.cmd.(*redis.StatusCmd).Val(); kind != "hash" && kind != "none" {
			s.stats.unreadable.Add(1)
			return fmt.Errorf("%w: the key %q is a %s, no hash", ErrUnreadable, keys[i], kind)
		}
	}
	return s.unlink(ctx, keys)
}

func (s *Store) unlink(ctx context.Context, keys []string) error {
	requests := make([]request, len(keys))
	for i, key := range keys {
		requests[i] = request{key: key, cmd: redis.NewIntCmd(background, "unlink", key)}
	}
	return s.all(ctx, true, requests)
}
