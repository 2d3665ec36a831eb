package unleash

import (
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	uc "github.com/Unleash/unleash-client-go/v4"
)

// maxPending bounds the callbacks that wait for a listener: far more than come
// in one burst, and some hundred KiB at most.
const maxPending = 4096

// A Listener is a listener of the Unleash client whose callbacks can't harm the
// client. See [Detach].
type Listener struct {
	pending queue
	dropped atomic.Int64

	// nil where the app's listener has no such method
	onError, onWarning func(error)
	onReady, onUpdate  func()
	onCount            func(string, bool)
	onSent             func(uc.MetricsData)
	onRegistered       func(uc.ClientData)
	onImpression       func(uc.ImpressionEvent)
}

var (
	_ uc.ErrorListener      = (*Listener)(nil)
	_ uc.RepositoryListener = (*Listener)(nil)
	_ uc.MetricListener     = (*Listener)(nil)
	_ uc.ImpressionListener = (*Listener)(nil)
)

// Detach returns a listener for WithListener that hands every callback on to
// listener, on a goroutine of its own: one at a time and in order. listener has
// whichever methods of the client's listeners it wants to have; one will do.
//
// The client runs callbacks on the goroutine that all evaluations wait for. So
// a callback that evaluates a toggle blocks the client for ever, one that takes
// its time makes every evaluation slow, and one that panics ends the process.
// Behind Detach it may do all of that; a panic is logged to slog.Default.
//
// When a few thousand callbacks wait, further ones are dropped and counted. The
// goroutine ends whenever nothing waits, so there is nothing to close.
func Detach(listener any) *Listener {
	l := &Listener{pending: queue{limit: maxPending}}
	if to, ok := listener.(interface{ OnError(error) }); ok {
		l.onError = to.OnError
	}
	if to, ok := listener.(interface{ OnWarning(error) }); ok {
		l.onWarning = to.OnWarning
	}
	if to, ok := listener.(interface{ OnReady() }); ok {
		l.onReady = to.OnReady
	}
	if to, ok := listener.(interface{ OnUpdate() }); ok {
		l.onUpdate = to.OnUpdate
	}
	if to, ok := listener.(interface{ OnCount(string, bool) }); ok {
		l.onCount = to.OnCount
	}
	if to, ok := listener.(interface{ OnSent(uc.MetricsData) }); ok {
		l.onSent = to.OnSent
	}
	if to, ok := listener.(interface{ OnRegistered(uc.ClientData) }); ok {
		l.onRegistered = to.OnRegistered
	}
	if to, ok := listener.(interface{ OnImpression(uc.ImpressionEvent) }); ok {
		l.onImpression = to.OnImpression
	}
	return l
}

// Dropped returns how many callbacks were dropped because the listener was too
// slow.
func (l *Listener) Dropped() int64 { return l.dropped.Load() }

// OnError hands on.
func (l *Listener) OnError(err error) { hand(l, l.onError, err) }

// OnWarning hands on.
func (l *Listener) OnWarning(err error) { hand(l, l.onWarning, err) }

// OnReady hands on.
func (l *Listener) OnReady() { l.run(l.onReady) }

// OnUpdate hands on.
func (l *Listener) OnUpdate() { l.run(l.onUpdate) }

// OnCount hands on.
func (l *Listener) OnCount(name string, enabled bool) {
	if l.onCount != nil {
		l.run(func() { l.onCount(name, enabled) })
	}
}

// OnSent hands on.
func (l *Listener) OnSent(data uc.MetricsData) { hand(l, l.onSent, data) }

// OnRegistered hands on.
func (l *Listener) OnRegistered(data uc.ClientData) { hand(l, l.onRegistered, data) }

// OnImpression hands on.
func (l *Listener) OnImpression(e uc.ImpressionEvent) { hand(l, l.onImpression, e) }

// hand has callback run with its argument.
func hand[T any](l *Listener, callback func(T), arg T) {
	if callback != nil {
		l.run(func() { callback(arg) })
	}
}

// run has callback run later.
func (l *Listener) run(callback func()) {
	if callback == nil {
		return
	}
	added := l.pending.add(func() {
		defer func() {
			if p := recover(); p != nil {
				slog.Default().Error("unleash: a listener panicked", "panic", p, "stack", string(debug.Stack()))
			}
		}()
		callback()
	})
	if !added {
		l.dropped.Add(1)
	}
}

// A queue runs functions one at a time and in order, on a goroutine that lives
// as long as there are any. The functions must not panic. The zero queue has no
// limit.
type queue struct {
	mu      sync.Mutex
	waiting []func()
	limit   int // of those that wait, 0 for none
	running bool
}

// add has f run, and reports whether there was room.
func (q *queue) add(f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limit > 0 && len(q.waiting) >= q.limit {
		return false
	}
	q.waiting = append(q.waiting, f)
	if !q.running {
		q.running = true
		go q.run()
	}
	return true
}

func (q *queue) run() {
	for {
		q.mu.Lock()
		batch := q.waiting
		q.waiting = nil
		q.running = len(batch) > 0
		q.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, f := range batch {
			f()
		}
	}
}
