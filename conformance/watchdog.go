package conformance

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// hangLimit is how long a check may stand still. It is generous, since it is no
// measure of speed: a check that is slow but moves on is never stopped.
const hangLimit = 30 * time.Second

// A watched runs one check away from the test's goroutine, so that a check that
// hangs or panics fails one law instead of the whole test binary. What has to
// happen on the test's goroutine comes back to it by onTest.
type watched struct {
	faults
	calls chan func()
	over  chan struct{} // closed when nobody waits for the check any more
	moved atomic.Int64
}

// An abort is the panic of a check that can't go on. Its text is the problem.
type abort string

func abortf(format string, args ...any) { panic(abort(fmt.Sprintf(format, args...))) }

// progress says that the check moves on.
func (w *watched) progress() { w.moved.Add(1) }

// onTest calls f on the test's goroutine and returns when f has. If the test is
// over, which f itself may have brought about, it ends the calling goroutine.
func (w *watched) onTest(f func()) {
	done := make(chan struct{})
	select {
	case w.calls <- func() { f(); close(done) }:
	case <-w.over:
		runtime.Goexit()
	}
	select {
	case <-done:
	case <-w.over:
		runtime.Goexit()
	}
}

// parallel calls f for each of n goroutines at the same time and returns when
// all have. A panic is a problem.
func (w *watched) parallel(n int, f func(g int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for g := range n {
		wg.Go(func() {
			<-start
			if problem := guarded(func() { f(g) }); problem != "" {
				w.addf("%s", problem)
			}
		})
	}
	close(start)
	wg.Wait()
}

// guarded calls f and returns the problem if it panics.
func guarded(f func()) (problem string) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case abort:
			problem = string(v)
		default:
			problem = fmt.Sprintf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	f()
	return ""
}

// watch runs check and returns the problems that it found, with the one that
// kept it from returning. A check that stands still for longer than limit is
// left behind, with its goroutines in the problem.
func watch(limit time.Duration, check func(w *watched)) []string {
	w := &watched{calls: make(chan func()), over: make(chan struct{})}
	defer close(w.over)
	done := make(chan struct{})
	go func() {
		defer close(done)
		problem := "the check was ended by runtime.Goexit"
		defer func() {
			if problem != "" {
				w.addf("%s", problem)
			}
		}()
		problem = guarded(func() { check(w) })
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for seen := int64(0); ; {
		select {
		case <-done:
			return w.take()
		case call := <-w.calls:
			call()
		case <-timer.C:
			moved := w.moved.Load()
			if moved == seen {
				return append(w.take(), fmt.Sprintf("hangs: nothing happened for %v; the goroutines are\n%s", limit, goroutines()))
			}
			seen = moved
		}
		timer.Reset(limit)
	}
}

// goroutines returns the stacks of all goroutines, up to a megabyte.
func goroutines() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}
