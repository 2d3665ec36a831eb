package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
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

// Kinds of log lines; each is written once per experiment and minute.
const (
	logRollout = iota
	logStore
	logTracker
	logPanic
	logUnit
	logNested
	logMisuse
)

// log writes a line, unless one of its kind about the experiment was written less
// than a minute ago.
func (s *experiment) log(ctx context.Context, level slog.Level, kind int, msg string, attrs ...slog.Attr) {
	if !s.client.logged.Due(s.name, kind) {
		return
	}
	// A handler that panics is counted, but there is nowhere to say so.
	defer func() {
		if recover() != nil {
			s.client.stats.panics.Add(1)
		}
	}()
	s.client.log.LogAttrs(ctx, level, msg, append([]slog.Attr{slog.String("experiment", s.name)}, attrs...)...)
}

// failed counts and logs a failure of the rollout or of the definition.
func (s *experiment) failed(ctx context.Context, err error) {
	s.client.stats.rollout.Add(1)
	s.log(ctx, slog.LevelError, logRollout, "experiment: control is served, because of an error",
		slog.Any("error", err))
}

// logUnitFault logs a fault of the unit. Its error names attributes, never values.
func (s *experiment) logUnitFault(ctx context.Context, err error) {
	s.log(ctx, slog.LevelError, logUnit, "experiment: control is served, because of a unit fault",
		slog.Any("error", err))
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
	s.log(ctx, slog.LevelWarn, logStore, "experiment: the store failed",
		slog.String("operation", op), slog.Any("error", err))
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
	s.log(ctx, slog.LevelError, logPanic, "experiment: panic",
		slog.String("in", what), slog.String("name", name),
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
