// Package throttle keeps the log lines of code that runs on every request to one
// a minute. It imports the standard library alone.
package throttle

import (
	"maps"
	"sync"
	"time"
)

// Interval is how long a kind of line about one subject stays silent after it
// was written.
const Interval = time.Minute

// maxLines bounds what a Log remembers. Subjects beyond it share one per kind.
const maxLines = 10_000

// A Log remembers which lines are not to be written again yet. Make it with New.
// It can be used by many goroutines.
type Log struct {
	clock func() time.Time

	mu    sync.Mutex
	last  map[line]time.Time
	swept time.Time
}

// A line is of one kind and about one subject: an experiment, a flag.
type line struct {
	subject string
	kind    int
}

// New returns a Log that takes the time from clock.
func New(clock func() time.Time) *Log {
	return &Log{clock: clock, last: make(map[line]time.Time)}
}

// Due reports whether the caller is to write a line of that kind about subject
// now: true once per interval. Kinds are the caller's own; there are few.
func (l *Log) Due(subject string, kind int) bool {
	now := l.clock()
	expired := func(_ line, last time.Time) bool { return now.Sub(last) >= Interval }

	l.mu.Lock()
	defer l.mu.Unlock()
	this := line{subject, kind}
	last, known := l.last[this]
	if !known && len(l.last) >= maxLines {
		// At most one sweep per interval, since it looks at every line.
		if now.Sub(l.swept) >= Interval {
			l.swept = now
			maps.DeleteFunc(l.last, expired)
		}
		if len(l.last) >= maxLines {
			this.subject = ""
			last, known = l.last[this]
		}
	}
	if known && !expired(this, last) {
		return false
	}
	l.last[this] = now
	return true
}
