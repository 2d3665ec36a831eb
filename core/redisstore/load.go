package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rolloutkit/rolloutkit/core"
)

// Load answers lookups in one round trip, in a cluster one for each node, and
// within [Options.LocalTTL] in none.
//
// While Redis does not answer, each lookup gets what this process last knew, or
// the error in its Err where that is nothing. Load returns an error only if all
// of them have one.
func (s *Store) Load(ctx context.Context, lookups []core.Lookup) error {
	type asked struct {
		*core.Lookup
		place
	}
	var room [1]asked // saves the usual call an allocation
	of, requests := room[:0], make([]request, 0, len(lookups))
	for i := range lookups {
		l := &lookups[i]
		p := s.place(l.Experiment, l.Key)
		if s.localHit(l, &p) {
			continue
		}
		c := s.breaker.circuit(p.key, false)
		if err := s.allow(c); err != nil {
			s.unanswered(l, &p, err)
			continue
		}
		cmd := redis.NewSliceCmd(background, "hmget", p.key, p.field, headField)
		of, requests = append(of, asked{l, p}), append(requests, request{p.key, cmd, c})
	}
	if len(requests) > 0 {
		err := s.do(ctx, requests...)
		now := time.Now()
		for i := range of {
			l, p, unread := of[i].Lookup, &of[i].place, err
			if err == nil {
				l.Entry, unread = s.read(p, requests[i].cmd, now)
			}
			if unread != nil {
				s.unanswered(l, p, unread)
			}
		}
	}
	var err error
	for i := range lookups {
		if err = lookups[i].Err; err == nil || errors.Is(err, ErrUnreadable) {
			return nil
		}
	}
	return err
}

// localHit answers l from memory if this process learned the answer recently.
func (s *Store) localHit(l *core.Lookup, p *place) (ok bool) {
	if s.opts.LocalTTL <= 0 {
		return false
	}
	if l.Entry, ok = s.cache.get(p.id, time.Now().Add(-s.opts.LocalTTL)); ok {
		s.stats.localHits.Add(1)
	}
	return ok
}

// unanswered gives l the error, or what this process last knew where that says
// that Redis does not answer.
func (s *Store) unanswered(l *core.Lookup, p *place, err error) {
	if faultOf(err) != noFault && !contextError(err) && !errors.Is(err, ErrClosed) {
		if e, ok := s.cache.get(p.id, time.Time{}); ok {
			l.Entry = e
			s.stats.staleReads.Add(1)
			return
		}
	}
	l.Err = s.failed("load from", l.Experiment, err)
}

// read returns what the reply for p says, the zero Entry for
// nothing. now is when it came.
func (s *Store) read(p *place, cmd redis.Cmder, now time.Time) (core.Entry, error) {
	reply, err := cmd.(*redis.SliceCmd).Result()
	if err != nil {
		return core.Entry{}, err
	}
	e, head, err := entryOf(reply)
	switch {
	case err != nil:
		return core.Entry{}, err
	case e != (core.Entry{}):
		s.renew(p, head, now)
		s.cache.put(p.id, e, now)
	case head != "":
		s.hints.put(p.key, head, now)
	}
	return e, nil
}

// entryOf returns the entry of a value and the head of its bucket as Redis
// answers them, the zero Entry for nothing.
func entryOf(reply []any) (e core.Entry, head string, err error) {
	if len(reply) != 2 {
		return core.Entry{}, "", fmt.Errorf("%w: the reply is %v", ErrUnreadable, reply)
	}
	head, _ = reply[1].(string)
	if value, ok := reply[0].(string); ok {
		e, err = decode(value, head)
	}
	return e, head, err
}

// maxRenewals bounds the renewals of TTLs under way.
const maxRenewals = 64

// renew renews the TTL of a bucket in the background, if that is due.
func (s *Store) renew(p *place, head string, now time.Time) {
	if s.opts.TTL < 0 || !needsRenewal(head, now, readRenews) {
		return
	}
	q := s.write(p, modeTouch, form{}, form{})
	renewal := func(ctx context.Context) {
		defer s.renewals.Add(-1)
		if s.do(ctx, q) != nil {
			s.stats.notRenewed.Add(1)
		}
	}
	if s.renewals.Add(1) > maxRenewals || !s.trips.background(renewal) {
		s.renewals.Add(-1)
		s.stats.notRenewed.Add(1)
	}
}
