package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Stats count what went wrong on a client without reaching anybody. They only
// grow.
type Stats struct {
	EventsLost    uint64 // the tracker returned an error or panicked
	Degraded      uint64 // store operations that failed
	RolloutErrors uint64 // evaluations that failed
	Panics        uint64 // recovered, in rules, callbacks and plug-ins
	KeyConflicts  uint64 // older keys that hold another variant than the newest
}

type stats struct {
	lost, degraded, rollout, panics, conflicts atomic.Uint64
}

// Stats returns the counts so far.
func (c *Client) Stats() Stats {
	s := &c.stats
	return Stats{EventsLost: s.lost.Load(), Degraded: s.degraded.Load(), RolloutErrors: s.rollout.Load(),
		Panics: s.panics.Load(), KeyConflicts: s.conflicts.Load()}
}

// Kinds of log lines; each is written once per experiment and interval.
const (
	logRollout = iota
	logStore
	logTracker
	logPanic
	logUnit
	logNested
	logMisuse
	logKinds
)

// logInterval is how long a kind of line stays silent after it was written.
const logInterval = time.Minute

// A limiter keeps one experiment's log lines to one per kind and interval.
type limiter struct {
	clock func() time.Time
	last  [logKinds]atomic.Int64 // UnixNano; 0: never
}

func (l *limiter) log(ctx context.Context, c *Client, level slog.Level, kind int, msg string, attrs ...slog.Attr) {
	now := l.clock().UnixNano()
	last := l.last[kind].Load()
	if last != 0 && now-last < int64(logInterval) || !l.last[kind].CompareAndSwap(last, now) {
		return
	}
	// A handler that panics is counted, but there is nowhere to say so.
	defer func() {
		if recover() != nil {
			c.stats.panics.Add(1)
		}
	}()
	c.log.LogAttrs(ctx, level, msg, attrs...)
}

// limiters are kept by name, since inline definitions come anew at each call.
type limiters struct {
	mu     sync.Mutex
	byName map[string]*limiter
}

// maxLimiters bounds the names; further ones share a limiter.
const maxLimiters = 10_000

func (c *Client) limiterOf(name string) *limiter {
	c.limiters.mu.Lock()
	defer c.limiters.mu.Unlock()
	if l := c.limiters.byName[name]; l != nil {
		return l
	}
	if len(c.limiters.byName) >= maxLimiters {
		name = ""
	}
	l := c.limiters.byName[name]
	if l == nil {
		l = &limiter{clock: c.clock}
		c.limiters.byName[name] = l
	}
	return l
}

// failed counts and logs a failure of the rollout or of the definition.
func (s *experiment) failed(ctx context.Context, err error) {
	s.client.stats.rollout.Add(1)
	s.logs.log(ctx, s.client, slog.LevelError, logRollout, "experiment: control is served, because of an error",
		slog.String("experiment", s.name), slog.Any("error", err))
}

// logUnitFault logs a fault of the unit. Its error names attributes, never values.
func (s *experiment) logUnitFault(ctx context.Context, err error) {
	s.logs.log(ctx, s.client, slog.LevelError, logUnit, "experiment: control is served, because of a unit fault",
		slog.String("experiment", s.name), slog.Any("error", err))
}

// degraded notes a failure of the store on the assignment too.
func (s *experiment) degraded(ctx context.Context, a *Assignment, op string, err error) error {
	a.Degraded = true
	a.addErr(err)
	s.storeFailed(ctx, op, err)
	return err
}

// storeFailed counts and logs a failure of the store.
func (s *experiment) storeFailed(ctx context.Context, op string, err error) {
	s.client.stats.degraded.Add(1)
	s.logs.log(ctx, s.client, slog.LevelWarn, logStore, "experiment: the store failed",
		slog.String("experiment", s.name), slog.String("operation", op), slog.Any("error", err))
}

// catch is deferred around code that is not ours: what says which, name which of
// several, "" for the only one. It recovers a panic, counts it and logs it with
// its stack. Unless err is nil, the panic becomes that error.
func (s *experiment) catch(ctx context.Context, what, name string, err *error) {
	if p := recover(); p != nil {
		s.panicked(ctx, what, name, p, err)
	}
}

// panicked is catch for a panic p that was recovered already.
func (s *experiment) panicked(ctx context.Context, what, name string, p any, err *error) {
	s.client.stats.panics.Add(1)
	s.logs.log(ctx, s.client, slog.LevelError, logPanic, "experiment: panic",
		slog.String("experiment", s.name), slog.String("in", what), slog.String("name", name),
		slog.String("panic", panicText(p)), slog.String("stack", string(debug.Stack())))
	if err != nil {
		*err = fmt.Errorf("%s panicked: %s", what, panicText(p))
	}
}

// panicText returns the value of a panic as text. The value's own methods may
// panic in turn, and fmt recovers only the first of such panics.
func panicText(p any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T that can't be printed", p)
		}
	}()
	return fmt.Sprint(p)
}

// addErr adds err to what went wrong; nil adds nothing.
func (a *Assignment) addErr(err error) {
	switch {
	case a.Err == nil:
		a.Err = err
	case err != nil:
		a.Err = errors.Join(a.Err, err)
	}
}
