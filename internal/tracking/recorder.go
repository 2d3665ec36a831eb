// Package tracking has the tracker with which tests look at events.
package tracking

import (
	"context"
	"sync"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Recorder is a [core.Tracker] that keeps what it gets. The zero Recorder is
// ready, and many goroutines may use it.
type Recorder struct {
	Err error // what Track returns; events are kept while it is nil

	mu     sync.Mutex
	events []core.Event
}

// Track keeps e.
func (r *Recorder) Track(_ context.Context, e core.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Err == nil {
		r.events = append(r.events, e)
	}
	return r.Err
}

// Take returns the events since the last call, in the order in which they came.
func (r *Recorder) Take() []core.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}
