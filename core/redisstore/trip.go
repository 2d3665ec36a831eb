package redisstore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// background is the context that commands are made with; they are sent with
// another.
var background = context.Background()

// A request is one command on one key.
type request struct {
	key     string
	cmd     redis.Cmder
	circuit *circuit
}

// request returns a request to read, or to write.
func (s *Store) request(write bool, key string, cmd redis.Cmder) request {
	return request{key: key, cmd: cmd, circuit: s.breaker.circuit(key, write)}
}

// do runs requests in one round trip, within the timeout. If it returns nil each
// command has a result of its own, which may be an error; after an error the
// commands must not be read.
func (s *Store) do(ctx context.Context, requests ...request) error {
	for i := range requests {
		if err := s.allow(requests[i].circuit); err != nil {
			return err
		}
	}
	if err := s.trips.do(ctx, requests); err != nil {
		if errors.Is(err, ErrTimeout) {
			s.stats.timeouts.Add(1)
		}
		return err
	}
	for i := range requests {
		err := requests[i].cmd.Err()
		if faultOf(err) == noFault {
			continue
		}
		s.stats.failures.Add(1)
		if !timedOut(err) {
			continue
		}
		// What a client says of a deadline does not tell whose it was.
		whose := ErrTimeout
		if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
			whose = context.DeadlineExceeded
		} else {
			s.stats.timeouts.Add(1)
		}
		requests[i].cmd.SetErr(fmt.Errorf("%w: %w", whose, err))
	}
	return nil
}

// allow says why Redis is not asked, if it is not.
func (s *Store) allow(c *circuit) error {
	if s.trips.ctx.Err() != nil {
		return ErrClosed
	}
	if why := c.opened.Load(); why != nil {
		s.stats.rejected.Add(1)
		return *why
	}
	return nil
}

// doAll is do for commands of which none may fail.
func (s *Store) doAll(ctx context.Context, requests ...request) error {
	err := s.do(ctx, requests...)
	for i := 0; i < len(requests) && err == nil; i++ {
		err = requests[i].cmd.Err()
	}
	return err
}

// trip makes one round trip, and another where the server has lost the script.
// It tells the breaker how each command ended.
func (s *Store) trip(ctx context.Context, began time.Time, requests []request) {
	s.send(ctx, requests)
	var lost, again []request
	for _, q := range requests {
		_, isScript := q.cmd.(*redis.Cmd)
		if err := q.cmd.Err(); isScript && err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			lost, again = append(lost, q), append(again, request{cmd: inFull(q.cmd)})
		}
	}
	if len(again) > 0 {
		s.send(ctx, again)
		for i := range lost {
			to, from := lost[i].cmd.(*redis.Cmd), again[i].cmd.(*redis.Cmd)
			to.SetVal(from.Val())
			to.SetErr(from.Err())
		}
	}
	s.breaker.count(requests, began)
}

// send lets the client run the commands.
func (s *Store) send(ctx context.Context, requests []request) {
	err := safely(func() error {
		if len(requests) == 1 {
			// Else a cluster client first asks what the command is, at no deadline.
			requests[0].cmd.SetStepCount(1)
			_ = s.client.Process(ctx, requests[0].cmd)
			return nil
		}
		pipe := s.client.Pipeline()
		for i := range requests {
			_ = pipe.Process(ctx, requests[i].cmd)
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		return nil
	})
	for i := 0; err != nil && i < len(requests); i++ {
		requests[i].cmd.SetErr(err)
	}
}

// safely turns a panic in fn into an error: a hook of the client must not end
// the process, as it would in a goroutine of ours.
func safely(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("redisstore: the client panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}
