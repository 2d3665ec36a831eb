package redisstore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// A request is one command on one key. script is nil for those that are none.
type request struct {
	key    string
	cmd    redis.Cmder
	script *script
}

// A call is one round trip: a command, or several in a pipeline. The worker
// that runs it owns its commands until run returns nil; whoever gives it up
// before that looks at them no more.
//
// It is also the context that the client gets: that of the caller with the
// budget as its deadline. One of the standard library would do as well for six
// allocations more.
type call struct {
	parent   context.Context
	began    time.Time
	deadline time.Time
	gone     chan struct{}         // closed when nobody waits any more
	why      atomic.Pointer[error] // set before gone is closed

	requests []request
	one      [1]request // room for the usual case
	write    bool
	bridge   *bridge
	done     chan struct{}
	state    atomic.Uint32
	panicked error
	counted  atomic.Bool        // the breaker knows how it ended
	faults   *faults            // of the round trip
	own      faults             // those of a call that travels alone
	late     func(*call, error) // runs in the worker after the call was given up
}

const (
	callRuns uint32 = iota
	callDone
	callGivenUp
)

// newCall returns a call of one request. Those of a pipeline are its requests,
// which belong to it from then on.
func newCall(ctx context.Context, budget time.Duration, write bool, q request) *call {
	now := time.Now()
	c := &call{parent: ctx, began: now, deadline: now.Add(budget), gone: make(chan struct{}), write: write}
	c.one[0] = q
	c.requests = c.one[:]
	c.faults = &c.own
	return c
}

var _ context.Context = (*call)(nil)

// Deadline returns the end of the budget or of the caller's ctx.
func (c *call) Deadline() (time.Time, bool) {
	if d, ok := c.parent.Deadline(); ok && d.Before(c.deadline) {
		return d, true
	}
	return c.deadline, true
}

// Done is closed when the caller has its answer or has left.
func (c *call) Done() <-chan struct{} { return c.gone }

// Err returns nil until then.
func (c *call) Err() error {
	why := c.why.Load()
	switch {
	case why == nil:
		return nil
	case errors.Is(*why, ErrTimeout) || errors.Is(*why, context.DeadlineExceeded):
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Value returns what the caller's ctx carries, for the client's hooks.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.parent.Value(key)
}

// callKey is the key under which a call finds itself in contexts made of it.
type callKey struct{}

// sends reports whether cmd is one of the call's.
func (c *call) sends(cmd redis.Cmder) bool {
	for i := range c.requests {
		if c.requests[i].cmd == cmd {
			return true
		}
	}
	return false
}

// leave tells the client that nobody waits any more.
func (c *call) leave(why *error) {
	if c.why.CompareAndSwap(nil, why) {
		close(c.gone)
	}
}

// A runner runs calls in workers, so that a caller can leave when its budget is
// spent although the client does not: a stock client looks at no deadline. The
// number of workers is the bound on what such a client holds on to.
type runner struct {
	client  redis.UniversalClient
	bridge  *bridge // nil for a client of several nodes
	direct  bool    // calls end by themselves
	crowd   crowd   // of direct calls
	budget  time.Duration
	jobs    chan *call // unbuffered: a send succeeds if a worker is idle
	closed  chan struct{}
	workers atomic.Int64
	max     int64
	ended   sync.WaitGroup
	mu      sync.Mutex // orders the start of workers with close
	over    bool

	abandoned atomic.Int64
}

func newRunner(client redis.UniversalClient, o *Options) *runner {
	return &runner{client: client, jobs: make(chan *call), closed: make(chan struct{}),
		max: int64(o.MaxInFlight), crowd: crowd{max: o.MaxTrips}, budget: o.Budget}
}

// Signals and timers are reused: a call that was not given up leaves both as
// they were.
var (
	signals = sync.Pool{New: func() any { return make(chan struct{}, 1) }}
	timers  = sync.Pool{New: func() any { return time.NewTimer(time.Hour) }}
)

// An alarm ends a call at its deadline. Alarms are reused unless they rang.
type alarm struct {
	timer *time.Timer
	call  atomic.Pointer[call]
}

var alarms = sync.Pool{New: func() any {
	a := &alarm{}
	a.timer = time.AfterFunc(time.Hour, func() {
		if c := a.call.Load(); c != nil {
			c.leave(&ErrTimeout)
		}
	})
	a.timer.Stop()
	return a
}}

// runHere runs c in the caller's goroutine, for a client that looks at
// deadlines: it ends by itself, and handing it to a worker would cost more than
// the rest of a call.
func (r *runner) runHere(c *call) {
	end, _ := c.Deadline()
	a := alarms.Get().(*alarm)
	a.call.Store(c)
	a.timer.Reset(end.Sub(c.began))
	r.exec(c)
	if a.timer.Stop() {
		a.call.Store(nil)
		alarms.Put(a)
	}
	c.leave(&errAnswered)
}

var errAnswered = errors.New("redisstore: answered")

// run runs c within its budget. It returns nil when c is done, whatever its
// commands ended with; then and only then the caller may look at them.
func (r *runner) run(c *call) error {
	if err := c.parent.Err(); err != nil {
		return context.Cause(c.parent)
	}
	if r.direct && r.runAlone(c) {
		return nil
	}
	c.done = signals.Get().(chan struct{})
	timer := timers.Get().(*time.Timer)
	timer.Reset(c.deadline.Sub(c.began))
	defer func() {
		timer.Stop()
		timers.Put(timer)
	}()
	if r.direct {
		r.wait(c)
	} else if err := r.begin(c, timer); err != nil {
		c.leave(&err)
		signals.Put(c.done)
		return err
	}
	var why error
	select {
	case <-c.done:
		c.leave(&errAnswered)
		signals.Put(c.done)
		return nil
	case <-timer.C:
		why = ErrTimeout
	case <-c.parent.Done():
		why = context.Cause(c.parent)
	case <-r.closed:
		why = ErrClosed
	}
	r.abandoned.Add(1)
	if !c.state.CompareAndSwap(callRuns, callGivenUp) {
		r.abandoned.Add(-1)
		<-c.done // it ended this very moment
		c.leave(&errAnswered)
		signals.Put(c.done)
		return nil
	}
	c.leave(&why)
	return why
}

// begin hands c to a worker.
func (r *runner) begin(c *call, timer *time.Timer) error {
	if r.start(c) {
		return nil
	}
	select {
	case r.jobs <- c:
		return nil
	case <-r.closed:
		return ErrClosed
	case <-timer.C:
		return ErrBusy
	case <-c.parent.Done():
		return context.Cause(c.parent)
	}
}

// start hands c to an idle worker or a new one, unless there are enough.
func (r *runner) start(c *call) bool {
	select {
	case r.jobs <- c:
		return true
	default:
	}
	if r.workers.Load() >= r.max {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.workers.Load() >= r.max {
		return false
	}
	r.workers.Add(1)
	r.ended.Add(1)
	go r.work(c)
	return true
}

// detach runs c without anybody waiting, unless all workers are taken.
func (r *runner) detach(c *call) bool {
	c.state.Store(callGivenUp) // the worker settles it
	r.abandoned.Add(1)
	alarm := time.AfterFunc(c.deadline.Sub(c.began), func() { c.leave(&ErrTimeout) })
	settle := c.late
	c.late = func(c *call, err error) {
		alarm.Stop()
		settle(c, err)
		c.leave(&errAnswered)
	}
	if r.start(c) {
		return true
	}
	alarm.Stop()
	r.abandoned.Add(-1)
	return false
}

// idleWorker is how long a worker waits for its next call, or up to twice that.
const idleWorker = 10 * time.Second

func (r *runner) work(c *call) {
	defer r.ended.Done()
	defer r.workers.Add(-1)
	r.finish(c)
	// The timer is not reset for each call, which would cost more than the
	// rest: it asks now and then whether there was one.
	idle := time.NewTimer(idleWorker)
	defer idle.Stop()
	for used := true; ; {
		select {
		case c := <-r.jobs:
			r.finish(c)
			used = true
		case <-r.closed:
			return
		case <-idle.C:
			if !used {
				return
			}
			used = false
			idle.Reset(idleWorker)
		}
	}
}

// finish runs c and says so.
func (r *runner) finish(c *call) {
	r.exec(c)
	r.finished(c)
}

// finished gives c back to its caller, or settles it if that has left.
func (r *runner) finished(c *call) {
	if c.state.CompareAndSwap(callRuns, callDone) {
		c.done <- struct{}{}
		return
	}
	r.abandoned.Add(-1)
	c.late(c, nil)
}

// exec runs the commands of c. A hook of the client that panics must not end
// the process, which it would in a goroutine of ours.
func (r *runner) exec(c *call) {
	client := r.client
	c.bridge = r.bridge
	defer func() {
		if p := recover(); p != nil {
			c.panicked = fmt.Errorf("redisstore: the client panicked: %v\n%s", p, debug.Stack())
		}
	}()
	if len(c.requests) == 1 {
		q := &c.requests[0]
		err := client.Process(c, q.cmd)
		if q.script != nil && noScript(err) {
			q.cmd = q.script.whole(q.cmd)
			_ = client.Process(c, q.cmd)
		}
		return
	}
	pipe := client.Pipeline()
	for i := range c.requests {
		_ = pipe.Process(c, c.requests[i].cmd)
	}
	_, _ = pipe.Exec(c) // each command has its own error
	for i := range c.requests {
		if q := &c.requests[i]; q.script != nil && noScript(q.cmd.Err()) {
			q.cmd = q.script.whole(q.cmd)
			_ = pipe.Process(c, q.cmd)
		}
	}
	if pipe.Len() > 0 {
		_, _ = pipe.Exec(c)
	}
}

func noScript(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT")
}

// close ends the workers. Those that wait for an answer end when the client
// gives them one; nobody waits for it any more.
func (r *runner) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.over = true
		close(r.closed)
	}
}
