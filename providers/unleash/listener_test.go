package unleash_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/internal/logbook"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// A recorder is a listener of everything.
type recorder struct{ calls chan string }

func (r recorder) OnError(err error)               { r.calls <- "error " + err.Error() }
func (r recorder) OnWarning(err error)             { r.calls <- "warning " + err.Error() }
func (r recorder) OnReady()                        { r.calls <- "ready" }
func (r recorder) OnUpdate()                       { r.calls <- "update" }
func (r recorder) OnCount(name string, _ bool)     { r.calls <- "count " + name }
func (r recorder) OnSent(uc.MetricsData)           { r.calls <- "sent" }
func (r recorder) OnRegistered(uc.ClientData)      { r.calls <- "registered" }
func (r recorder) OnImpression(uc.ImpressionEvent) { r.calls <- "impression" }

func callAll(l *unleash.Listener) {
	l.OnError(errors.New("e"))
	l.OnWarning(errors.New("w"))
	l.OnReady()
	l.OnUpdate()
	l.OnCount("x", true)
	l.OnSent(uc.MetricsData{})
	l.OnRegistered(uc.ClientData{})
	l.OnImpression(uc.ImpressionEvent{})
}

func TestDetachHandsOnInOrder(t *testing.T) {
	r := recorder{calls: make(chan string)} // unbuffered: nobody waits for it
	l := unleash.Detach(r)
	callAll(l)
	for _, want := range []string{"error e", "warning w", "ready", "update", "count x", "sent", "registered", "impression"} {
		require.Equal(t, want, <-r.calls)
	}
	require.Zero(t, l.Dropped())
}

// A waiting has two methods, where the client itself wants more. The first
// waits until it is let go.
type waiting struct {
	began, release chan struct{}
	updates        atomic.Int64
}

func (w *waiting) OnReady() { w.began <- struct{}{}; <-w.release }

func (w *waiting) OnUpdate() { w.updates.Add(1) }

func TestDetachDropsWhatWaitsTooLong(t *testing.T) {
	w := &waiting{began: make(chan struct{}), release: make(chan struct{})}
	l := unleash.Detach(w)
	l.OnReady()
	<-w.began
	for range 4096 + 5 {
		l.OnUpdate()
		l.OnCount("x", true) // of which it does not want to hear
	}
	require.Equal(t, int64(5), l.Dropped())
	w.release <- struct{}{}
	eventually(t, func() bool { return w.updates.Load() == 4096 })
	l.OnReady()
	<-w.began
	w.release <- struct{}{}
}

// An evaluator is a listener that does something when toggles change, from the
// goroutine that every evaluation waits for.
type evaluator struct {
	uc.NoopListener
	update func()
}

func (l *evaluator) OnUpdate() { l.update() }

func TestDetachRecovers(t *testing.T) {
	log, old := &logbook.Book{}, slog.Default()
	slog.SetDefault(log.Logger())
	t.Cleanup(func() { slog.SetDefault(old) })
	s, f := over(t, enabled(), unleash.Options{}, uc.WithListener(unleash.Detach(&evaluator{update: func() { panic("in a listener") }})))
	for n := range 2 {
		f.set(t, enabled(), "")
		eventually(t, func() bool { return strings.Count(log.String(), "unleash: a listener panicked") == n+1 })
	}
	require.NoError(t, failure(t, s))
}

func TestDetachedListenersMayEvaluate(t *testing.T) {
	var s *system
	made, answers := make(chan struct{}), make(chan error, 100)
	s, f := over(t, enabled(), unleash.Options{}, counting, seldom, uc.WithListener(unleash.Detach(&evaluator{update: func() {
		<-made
		answers <- failure(t, s)
	}})))
	close(made)
	f.set(t, enabled(share100()), "")
	requireReturns(t, func() { require.NoError(t, <-answers) })
}
