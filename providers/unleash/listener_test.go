package unleash

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"
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

func callAll(l *Listener) {
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
	l := Detach(r)
	callAll(l)
	for _, want := range []string{"error e", "warning w", "ready", "update", "count x", "sent", "registered", "impression"} {
		require.Equal(t, want, <-r.calls)
	}
	require.Zero(t, l.Dropped())
}

// readiness has one method, where the client itself wants two.
type readiness struct{ reached chan struct{} }

func (r readiness) OnReady() { close(r.reached) }

func TestDetachNeedsOneMethod(t *testing.T) {
	r := readiness{reached: make(chan struct{})}
	callAll(Detach(r))
	<-r.reached
}

func TestDetachOfWhatIsNoListener(t *testing.T) {
	l := Detach(struct{}{})
	callAll(l)
	require.Empty(t, l.pending.waiting)
}

func TestDetachDrops(t *testing.T) {
	r := recorder{calls: make(chan string)}
	l := Detach(r)
	l.OnReady()
	eventually(t, func() bool { // the goroutine took it and waits in it
		l.pending.mu.Lock()
		defer l.pending.mu.Unlock()
		return len(l.pending.waiting) == 0
	})
	for range maxPending + 5 {
		l.OnUpdate()
	}
	require.Equal(t, int64(5), l.Dropped())
	for range 1 + maxPending {
		<-r.calls
	}
	eventually(t, func() bool { // its goroutine ends where nothing waits
		l.pending.mu.Lock()
		defer l.pending.mu.Unlock()
		return !l.pending.running
	})
	l.OnReady()
	require.Equal(t, "ready", <-r.calls, "and another one begins")
}

func TestDetachRecovers(t *testing.T) {
	j := &journal{}
	old := slog.Default()
	slog.SetDefault(j.logger())
	t.Cleanup(func() { slog.SetDefault(old) })
	l := Detach(&evaluator{update: func() { panic("in a listener") }})
	l.OnUpdate()
	l.OnUpdate()
	eventually(t, func() bool { return strings.Count(j.String(), "in a listener") == 2 })
}
