package core

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
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
func (s *spec) failed(ctx context.Context, err error) {
	s.client.stats.rollout.Add(1)
	s.logs.log(ctx, s.client, slog.LevelError, logRollout, "experiment: control is served, because of an error",
		slog.String("experiment", s.name), slog.Any("error", err))
}

// faulty logs a fault of the unit. Its error names attributes, never values.
func (s *spec) faulty(ctx context.Context, err error) {
	s.logs.log(ctx, s.client, slog.LevelError, logUnit, "experiment: control is served, because of a unit fault",
		slog.String("experiment", s.name), slog.Any("error", err))
}

// degraded notes on the assignment, counts and logs a failure of the store.
func (s *spec) degraded(ctx context.Context, a *Assignment, op string, err error) error {
	a.Degraded = true
	a.blame(err)
	s.client.stats.degraded.Add(1)
	s.logs.log(ctx, s.client, slog.LevelWarn, logStore, "experiment: the store failed",
		slog.String("experiment", s.name), slog.String("operation", op), slog.Any("error", err))
	return err
}

// panicked counts and logs a recovered panic, with its stack.
func (s *spec) panicked(ctx context.Context, what, name string, p any) {
	s.client.stats.panics.Add(1)
	s.logs.log(ctx, s.client, slog.LevelError, logPanic, "experiment: panic",
		slog.String("experiment", s.name), slog.String("in", what), slog.String("name", name),
		slog.String("panic", panicText(p)), slog.String("stack", string(debug.Stack())))
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

// blame adds err to what went wrong; nil adds nothing.
func (a *Assignment) blame(err error) {
	switch {
	case a.Err == nil:
		a.Err = err
	case err != nil:
		a.Err = errors.Join(a.Err, err)
	}
}

// checkAction returns what is wrong with an app's own action.
func checkAction(experiment, action string) error {
	switch action {
	case "":
		return fmt.Errorf("core: experiment %s: an event without an action", experiment)
	case ActionAssignment:
		return fmt.Errorf("core: experiment %s: the action %q belongs to the automatic event", experiment, action)
	}
	return nil
}

// emit fills in the event and hands it to the tracker, or to the log in its place.
func (s *spec) emit(ctx context.Context, a *Assignment, ev Event) (err error) {
	c := s.client
	defer func() {
		if p := recover(); p != nil {
			s.panicked(ctx, "tracker", "", p)
			err = fmt.Errorf("core: experiment %s: the tracker panicked: %s", s.name, panicText(p))
		}
		if err != nil {
			c.stats.lost.Add(1)
			s.logs.log(ctx, c, slog.LevelError, logTracker, "experiment: an event was lost",
				slog.String("experiment", s.name), slog.String("action", ev.Action), slog.Any("error", err))
		}
	}()
	if c.cfg.Tracker == nil && !c.log.Enabled(ctx, slog.LevelDebug) {
		return nil
	}
	ev.Experiment, ev.Variant, ev.Previous, ev.Key = a.Experiment, a.Variant, a.Previous, a.Key
	ev.MigrationKeys, ev.State, ev.Source, ev.Origin, ev.Degraded = a.MigrationKeys, a.State, a.Source, a.Origin, a.Degraded
	if ev.Time.IsZero() {
		ev.Time = c.clock()
	}
	if ev.ID == "" {
		if ev.Action == ActionAssignment {
			ev.ID = assignmentID(a.Experiment, a.Key, a.Variant)
		} else {
			ev.ID = rand.Text()
		}
	}
	if c.cfg.Tracker == nil {
		c.log.LogAttrs(ctx, slog.LevelDebug, "experiment: event", slog.String("action", ev.Action),
			slog.String("experiment", ev.Experiment), slog.String("variant", ev.Variant), slog.String("key", ev.Key),
			slog.String("source", ev.Source.String()), slog.Float64("value", ev.Value))
		return nil
	}
	return c.cfg.Tracker.Track(ctx, ev)
}

// assignmentID returns 32 hex digits: the first half of the SHA-256 of the
// three texts, each preceded by its length as a uvarint.
func assignmentID(experiment, key, variant string) string {
	var buf [384]byte
	b := appendText(appendText(appendText(buf[:0], experiment), key), variant)
	sum := sha256.Sum256(b)
	var digits [sha256.Size]byte
	hex.Encode(digits[:], sum[:sha256.Size/2])
	return string(digits[:])
}

// publish tells Config.OnPublish.
func (s *spec) publish(ctx context.Context, a *Assignment) {
	fn := s.client.cfg.OnPublish
	if fn == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			s.panicked(ctx, "OnPublish", "", p)
		}
	}()
	fn(ctx, a.Signature())
}
