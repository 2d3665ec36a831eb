package openfeature

import (
	"context"
	"log/slog"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/throttle"
)

// A throttledLog warns on behalf of code that has nobody to return an error to:
// at most once a minute for each flag.
type throttledLog struct {
	client  *core.Client // whose logger it is; nil for slog.Default
	message string
	lines   *throttle.Log
}

func newThrottledLog(client *core.Client, message string) throttledLog {
	return throttledLog{client: client, message: message, lines: throttle.New(time.Now)}
}

func (l throttledLog) warn(ctx context.Context, flag string, err error) {
	if !l.lines.Due(flag, 0) {
		return
	}
	to := slog.Default()
	if l.client != nil {
		to = l.client.Logger()
	}
	to.LogAttrs(ctx, slog.LevelWarn, l.message, slog.String("flag", flag), slog.Any("error", err))
}
