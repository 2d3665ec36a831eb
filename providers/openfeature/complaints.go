package openfeature

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// Complaints are the log lines of code that has nobody to return an error to: at
// most one per flag and interval.
type complaints struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const (
	complaintInterval = time.Minute
	maxComplaints     = 1000 // flags that are told apart
)

func (c *complaints) log(ctx context.Context, client *core.Client, message, flag string, err error) {
	if !c.due(flag, time.Now()) {
		return
	}
	to := slog.Default()
	if client != nil {
		to = client.Logger()
	}
	to.LogAttrs(ctx, slog.LevelWarn, message, slog.String("flag", flag), slog.Any("error", err))
}

func (c *complaints) due(flag string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[string]time.Time{}
	}
	if last, ok := c.last[flag]; ok && now.Sub(last) < complaintInterval {
		return false
	}
	if len(c.last) >= maxComplaints {
		clear(c.last)
	}
	c.last[flag] = now
	return true
}
