package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// do runs one command within the budget and returns it with its own error
// inside; an error of do means that nobody knows what became of it.
func (s *Store) do(ctx context.Context, write bool, q request) (request, error) {
	if err := s.enter(s.breaker.circuit(q.key, write)); err != nil {
		return q, err
	}
	c := newCall(ctx, s.opts.Budget, write, q)
	c.late = s.settleLate
	if err := s.run.run(c); err != nil {
		s.leave(c, err)
		return q, err
	}
	if c.panicked != nil {
		s.stats.failures.Add(1)
		return q, c.panicked
	}
	q = c.requests[0]
	s.settle(c, nil)
	err := q.cmd.Err()
	if faultOf(err) == noFault {
		return q, nil
	}
	s.stats.failures.Add(1)
	return q, s.inTime(c, err)
}

// inTime turns the timeout of a client that looks at deadlines into that of
// whoever set the deadline.
func (s *Store) inTime(c *call, err error) error {
	if !timedOut(err) {
		return err
	}
	if end, _ := c.Deadline(); end.Before(c.deadline) {
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	s.stats.timeouts.Add(1)
	return fmt.Errorf("%w: %w", ErrTimeout, err)
}

// all runs commands in one pipeline and returns the first error of any.
func (s *Store) all(ctx context.Context, write bool, requests []request) error {
	if err := s.pipeline(ctx, write, requests); err != nil {
		return err
	}
	for _, q := range requests {
		if err := q.cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return s.judge(err)
		}
	}
	return nil
}

// pipeline runs commands in one pipeline. If it returns nil each of requests has
// its own result; if not, a worker may still be busy with them.
func (s *Store) pipeline(ctx context.Context, write bool, requests []request) error {
	for i := range requests {
		if err := s.enter(s.breaker.circuit(requests[i].key, write)); err != nil {
			return err
		}
	}
	c := newCall(ctx, s.opts.Budget, write, request{})
	c.requests = requests
	c.late = s.settleLate
	if err := s.run.run(c); err != nil {
		s.leave(c, err)
		return err
	}
	if c.panicked != nil {
		s.stats.failures.Add(1)
		return c.panicked
	}
	s.settle(c, nil)
	for i := range requests {
		if err := requests[i].cmd.Err(); faultOf(err) != noFault {
			s.stats.failures.Add(1)
			requests[i].cmd.SetErr(s.inTime(c, err))
		}
	}
	return nil
}

// leave counts a call that its caller does not wait for. Which part of a cluster
// a pipeline waits for nobody knows yet.
func (s *Store) leave(c *call, err error) {
	switch {
	case errors.Is(err, ErrBusy):
		s.stats.busy.Add(1)
	case errors.Is(err, ErrTimeout):
		s.stats.timeouts.Add(1)
		if len(c.requests) == 1 || len(s.breaker.read) == 1 {
			s.settle(c, err)
		}
	}
}

// settle tells the breaker, once for each call, how its commands ended: all
// with err, or each with its own if err is nil. What a caller did not wait for
// counts only if it waited for half a budget.
func (s *Store) settle(c *call, err error) {
	if !c.counted.CompareAndSwap(false, true) || err == nil && c.panicked != nil {
		return
	}
	patient := time.Since(c.began) >= s.opts.Budget/2
	for i := range c.requests {
		q, end := &c.requests[i], err
		if end == nil {
			end = q.cmd.Err()
		}
		if timedOut(end) && !patient {
			continue
		}
		s.breaker.count(q.key, c.write, end, c.faults)
		if err != nil {
			return // one failure, however many commands
		}
	}
}

// enter says whether an operation may ask Redis.
func (s *Store) enter(c *circuit) error {
	switch {
	case s.client == nil:
		return errNoClient
	case s.ctx.Err() != nil:
		return ErrClosed
	}
	if err := c.allow(); err != nil {
		s.stats.rejected.Add(1)
		return err
	}
	return nil
}

// judge counts what is wrong with data rather than with the server.
func (s *Store) judge(err error) error {
	switch {
	case err == nil:
		return nil
	case wrongType(err):
		err = fmt.Errorf("%w: %w", ErrUnreadable, err)
		fallthrough
	case errors.Is(err, ErrUnreadable):
		s.stats.unreadable.Add(1)
	case faultOf(err) == noFault:
		s.stats.failures.Add(1) // an error reply, such as a missing permission
	}
	return err
}

// reloadTopology makes a cluster client ask who has which slots. The client
// does so at most every 200 ms.
func (s *Store) reloadTopology() {
	if c, ok := s.client.(*redis.ClusterClient); ok {
		c.ReloadState(s.ctx)
	}
}
