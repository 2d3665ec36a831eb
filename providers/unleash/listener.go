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
	to      any
	pending queue
	dropped atomic.Int64
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
	return &Listener{to: listener, pending: queue{limit: maxPending}}
}

// Dropped returns how many callbacks were dropped because the listener was too
// slow.
func (l *Listener) Dropped() int64 { return l.dropped.Load() }

// OnError hands on, as the other methods do.
func (l *Listener) OnError(err error) {
	hand(l, func(to interface{ OnError(error) }) { to.OnError(err) })
}

func (l *Listener) OnWarning(err error) {
	hand(l, func(to interface{ OnWarning(error) }) { to.OnWarning(err) })
}

func (l *Listener) OnReady() { hand(l, func(to interface{ OnReady() }) { to.OnReady() }) }

func (l *Listener) OnUpdate() { hand(l, func(to interface{ OnUpdate() }) { to.OnUpdate() }) }

// OnCount hands on. Each evaluation calls it, so it makes no closure for nobody.
func (l *Listener) OnCount(name string, enabled bool) {
	if to, ok := l.to.(interface{ OnCount(string, bool) }); ok {
		l.run(func() { to.OnCount(name, enabled) })
	}
}

func (l *Listener) OnSent(data uc.MetricsData) {
	hand(l, func(to interface{ OnSent(uc.MetricsData) }) { to.OnSent(data) })
}

func (l *Listener) OnRegistered(data uc.ClientData) {
	hand(l, func(to interface{ OnRegistered(uc.ClientData) }) { to.OnRegistered(data) })
}

func (l *Listener) OnImpression(e uc.ImpressionEvent) {
	hand(l, func(to interface{ OnImpression(uc.ImpressionEvent) }) { to.OnImpression(e) })
}

// hand has call run later if the app's listener is a T.
func hand[T any](l *Listener, call func(T)) {
	if to, ok := l.to.(T); ok {
		l.run(func() { call(to) })
	}
}

func (l *Listener) run(callback func()) {
	added := l.pending.add(func() {
		defer logPanic(slog.Default(), "a listener")
		callback()
	})
	if !added {
		l.dropped.Add(1)
	}
}

// logPanic is deferred, and keeps a panic of the app's code from the client.
func logPanic(log *slog.Logger, of string) {
	if p := recover(); p != nil {
		log.Error("unleash: "+of+" panicked", "panic", p, "stack", string(debug.Stack()))
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
