package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rolloutkit/rolloutkit/core"
)

// A lookup is one Load under way.
type lookup struct {
	experiment, key string
	older           []string

	places  []place      // of key, then of older
	entries []core.Entry // what they have; no variant for nothing
	first   int          // of its requests
	count   int          // of them; 0 if it is answered already
	from    int          // index in places of the entry to copy, 0 for none

	entry  core.Entry
	others []string
	ok     bool
	err    error
}

// LoadBatch is Load for many experiments in the time of one: one round trip for
// each node, and a second one if anything is copied.
func (s *Store) LoadBatch(ctx context.Context, lookups []core.Lookup) []core.Loaded {
	ls := make([]lookup, len(lookups))
	for i, l := range lookups {
		ls[i] = lookup{experiment: l.Experiment, key: l.Key, older: l.Older}
	}
	s.load(ctx, ls)
	loaded := make([]core.Loaded, len(lookups))
	for i := range ls {
		l := &ls[i]
		loaded[i] = core.Loaded{Entry: l.entry, Others: l.others, OK: l.ok, Err: l.err}
	}
	return loaded
}

// loadOne is load for a key without older ones, which is most of them.
func (s *Store) loadOne(ctx context.Context, experiment, key string) (core.Entry, bool, error) {
	p := s.place(experiment, key)
	if s.opts.NearTTL > 0 {
		if e, ok := s.cache.get(p.id, s.now().Add(-s.opts.NearTTL)); ok {
			s.stats.nearHits.Add(1)
			return e, true, nil
		}
	}
	q, err := s.do(ctx, false, s.reading(p))
	if err != nil {
		if e, ok := s.lastKnown(&p, err); ok {
			return e, true, nil
		}
		return core.Entry{}, false, err
	}
	e, err := s.found(&p, q, 0, s.now())
	return e, e.Variant != "", err
}

// load answers all of ls.
func (s *Store) load(ctx context.Context, ls []lookup) {
	n := len(ls)
	for i := range ls {
		n += len(ls[i].older)
	}
	places, entries, requests := make([]place, n), make([]core.Entry, n), make([]request, 0, n)
	for i := range ls {
		l := &ls[i]
		own := 1 + len(l.older)
		l.places, l.entries = places[:own], entries[:own]
		places, entries = places[own:], entries[own:]
		requests = s.ask(l, requests)
	}
	if err := s.read(ctx, requests); err != nil {
		for i := range ls {
			if ls[i].count > 0 {
				s.unanswered(&ls[i], err)
			}
		}
	} else {
		now := s.now()
		for i := range ls {
			if l := &ls[i]; l.count > 0 {
				s.answer(l, requests[l.first:][:l.count], now)
			}
		}
	}
	s.copyOlder(ctx, ls)
	for i := range ls {
		l := &ls[i]
		if l.err != nil {
			l.entry, l.others, l.ok = core.Entry{}, nil, false
			l.err = failed("load from", l.experiment, l.err)
		}
	}
}

// ask appends the requests of l, unless memory or an open circuit answers it.
func (s *Store) ask(l *lookup, requests []request) []request {
	l.places[0] = s.place(l.experiment, l.key)
	for i, key := range l.older {
		l.places[1+i] = s.place(l.experiment, key)
	}
	if s.opts.NearTTL > 0 && len(l.older) == 0 {
		if l.entry, l.ok = s.cache.get(l.places[0].id, s.now().Add(-s.opts.NearTTL)); l.ok {
			s.stats.nearHits.Add(1)
			return requests
		}
	}
	for i := range l.places {
		if err := s.enter(s.breaker.circuit(l.places[i].key, false)); err != nil {
			s.unanswered(l, err)
			return requests
		}
	}
	l.first = len(requests)
	if s.opts.Layout == GLEXLayout {
		requests = append(requests, s.reading(l.places...))
	} else {
		for i := range l.places {
			requests = append(requests, s.reading(l.places[i]))
		}
	}
	l.count = len(requests) - l.first
	return requests
}

// read runs the requests in one round trip.
func (s *Store) read(ctx context.Context, requests []request) (err error) {
	switch len(requests) {
	case 0:
		return nil
	case 1:
		requests[0], err = s.do(ctx, false, requests[0])
		return err
	}
	return s.pipeline(ctx, false, requests)
}

// reading returns the command that reads a place. In GLEXLayout it reads
// several of one experiment.
func (s *Store) reading(places ...place) request {
	p := &places[0]
	if s.opts.Layout != GLEXLayout {
		return request{key: p.key, cmd: redis.NewSliceCmd(background, "hmget", p.key, p.field, headField)}
	}
	args := make([]any, 2, 2+len(places))
	args[0], args[1] = "hmget", p.key
	for i := range places {
		args = append(args, places[i].field)
	}
	return request{key: p.key, cmd: redis.NewSliceCmd(background, args...)}
}

// found returns what the reply to q says of p, no variant for nothing. at is
// where in the reply of GLEXLayout, now when it came.
func (s *Store) found(p *place, q request, at int, now time.Time) (core.Entry, error) {
	cmd := q.cmd.(*redis.SliceCmd)
	reply, err := cmd.Result()
	if err != nil {
		return core.Entry{}, s.judge(err)
	}
	if want := len(cmd.Args()) - 2; len(reply) != want {
		return core.Entry{}, s.judge(fmt.Errorf("%w: the reply is %v", ErrUnreadable, reply))
	}
	head := ""
	if s.opts.Layout != GLEXLayout {
		head, _ = reply[1].(string)
	}
	value, ok := reply[at].(string)
	if !ok {
		if head != "" {
			s.hints.put(p.key, head, now)
		}
		return core.Entry{}, nil
	}
	e, err := s.decode(value, head)
	if err != nil {
		return core.Entry{}, s.judge(err)
	}
	if s.opts.Layout != GLEXLayout {
		s.touch(p.key, head, now)
	}
	s.cache.put(p.id, e, now)
	return e, nil
}

// lastKnown returns what this process knew of p when Redis last answered, if
// err says that it does not answer now.
func (s *Store) lastKnown(p *place, err error) (core.Entry, bool) {
	if contextError(err) || errors.Is(err, ErrClosed) || errors.Is(err, errNoClient) {
		return core.Entry{}, false
	}
	e, ok := s.cache.get(p.id, time.Time{})
	if ok {
		s.stats.lastKnown.Add(1)
	}
	return e, ok
}

// unanswered gives l what this process last knew, else err.
func (s *Store) unanswered(l *lookup, err error) {
	for i := range l.places {
		if l.entry, l.ok = s.lastKnown(&l.places[i], err); l.ok {
			return
		}
	}
	l.err = err
}

// answer reads the replies to the requests of l.
func (s *Store) answer(l *lookup, requests []request, now time.Time) {
	for i := range requests {
		if err := requests[i].cmd.Err(); faultOf(err) != noFault {
			s.unanswered(l, err)
			return
		}
	}
	at := -1
	for i := range l.places {
		q, in := requests[0], i
		if s.opts.Layout != GLEXLayout {
			q, in = requests[i], 0
		}
		if l.entries[i], l.err = s.found(&l.places[i], q, in, now); l.err != nil {
			return
		}
		if at < 0 && l.entries[i].Variant != "" {
			at = i
		}
	}
	if at >= 0 {
		l.from = at
		l.stands(l.entries[at])
	}
}

// stands makes e the answer, beside those of the older keys that hold another
// variant, open controls excepted.
func (l *lookup) stands(e core.Entry) {
	l.entry, l.others, l.ok = e, nil, true
	for i, key := range l.older {
		old := l.entries[i+1]
		open := old.Variant == core.Control && !old.Final
		if old.Variant != "" && old.Variant != e.Variant && !open {
			l.others = append(l.others, key)
		}
	}
}

// copyOlder copies, or in GLEXLayout moves, the entries that were found under
// older keys, in one round trip.
func (s *Store) copyOlder(ctx context.Context, ls []lookup) {
	var requests []request
	var of []*lookup
	for i := range ls {
		l := &ls[i]
		if l.from == 0 || l.err != nil {
			continue
		}
		p, old := l.places[0], l.places[l.from]
		of = append(of, l)
		if s.opts.Layout == GLEXLayout {
			requests = append(requests, glexMoveScript.on(p.key, p.field, old.field))
			continue
		}
		f, _ := s.encode(l.entry) // it has a variant
		requests = append(requests, s.write(p, "claim", nil, f))
	}
	var err error
	switch len(requests) {
	case 0:
		return
	case 1:
		requests[0], err = s.do(ctx, true, requests[0])
	default:
		err = s.pipeline(ctx, true, requests)
	}
	for i, l := range of {
		if err != nil {
			s.stats.notCopied.Add(1)
		} else {
			s.copied(l, requests[i].cmd)
		}
	}
}

// copied takes in what became of the copy for l. The entry is known whether or
// not it could be copied: a server that takes no writes must not change what a
// unit sees.
func (s *Store) copied(l *lookup, cmd redis.Cmder) {
	switch err := cmd.Err(); {
	case err == nil:
	case errors.Is(err, redis.Nil): // GLEXLayout: removed meanwhile
		l.entry, l.others, l.ok = core.Entry{}, nil, false
		return
	default:
		s.stats.notCopied.Add(1)
		return
	}
	e, err := s.claimed(l.places[0], l.entry, cmd)
	if err != nil {
		l.err = err
		return
	}
	if s.opts.Layout == GLEXLayout {
		s.cache.drop(l.places[l.from].id)
		l.entries[l.from] = core.Entry{}
	}
	l.stands(e)
}

// touch renews the TTL of a bucket in the background, if that is due.
func (s *Store) touch(key, head string, now time.Time) {
	if s.opts.TTL < 0 || !due(head, now, readRenews) || s.ctx.Err() != nil || s.breaker.circuit(key, true).allow() != nil {
		return
	}
	c := newCall(s.ctx, s.opts.Budget, true, touchScript.on(key, now.Unix(), s.opts.ttl()))
	c.late = s.settleLate
	if !s.run.detach(c) {
		s.stats.notRenewed.Add(1)
	}
}
