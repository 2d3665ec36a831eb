package core

import (
	"context"
	"log/slog"
)

// Nesting says what becomes of an experiment that runs inside another one's
// behaviour, with the ctx that the behaviour got.
type Nesting uint8

const (
	// NestingAllowed: it runs, and both names are logged once a minute, since
	// who sees the inner experiment depends on the outer one.
	NestingAllowed Nesting = iota
	// NestingForbidden: its Run serves control, untracked, with [ErrNested].
	NestingForbidden
)

type nestKey struct{}

// entered returns the ctx for a behaviour of s.
func (s *experiment) entered(ctx context.Context) context.Context {
	return context.WithValue(ctx, nestKey{}, s)
}

// nestedIn reports whether s is about to run inside another experiment that
// does not allow it, and logs the nesting that is allowed.
func (s *experiment) nestedIn(ctx context.Context) bool {
	outer, _ := ctx.Value(nestKey{}).(*experiment)
	if outer == nil || outer.name == s.name && outer.client == s.client {
		return false
	}
	forbidden := s.client.cfg.Nesting == NestingForbidden
	level := slog.LevelInfo
	if forbidden {
		level = slog.LevelError
	}
	s.log(ctx, level, logNested, "experiment: nested in another",
		slog.String("outer", outer.name), slog.Bool("forbidden", forbidden))
	return forbidden
}
