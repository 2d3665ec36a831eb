package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// sharedTrips is how many round trips are under way at a time before
	// operations begin to share them.
	sharedTrips = 8

	// maxShared bounds the callers that share a trip, so that the first do
	// not wait for the answers of thousands.
	maxShared = 512
)

// A pipeliner lets operations that come at the same time share round trips. What
// a trip costs apart from its commands, mostly system calls on both sides, is
// then paid once. A few trips are under way at a time, each made by the
// goroutine that needs it. Whoever comes then waits until one of them ends and
// travels with all the others that wait, in one pipeline. A lone caller never
// waits. It also runs what the store does in the background, since both end when
// the store is closed.
type pipeliner struct {
	send    func(ctx context.Context, began time.Time, requests []request)
	timeout time.Duration
	max     int // trips under way

	ctx     context.Context // ends with close, because of ErrClosed
	cancel  context.CancelCauseFunc
	running sync.WaitGroup // trips, and work in the background

	mu       sync.Mutex
	underWay int
	waiting  []*batch // the first leaves first
}

// A batch is the requests that wait for one trip. Its ctx ends when they are
// answered, or else at the timeout of who came first: the cause says which.
type batch struct {
	ctx      context.Context
	end      context.CancelCauseFunc
	stop     context.CancelFunc // of the timer
	requests []request
	callers  int
}

var errAnswered = errors.New("redisstore: answered")

// do sends requests within the timeout and returns nil once each has its own
// result. After an error nobody knows what became of them, and they may still
// be under way: the caller must not read their commands.
func (p *pipeliner) do(ctx context.Context, requests []request) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	b, err := p.join(requests)
	if err != nil {
		return err
	}
	if b == nil {
		defer p.leave() // whatever a hook of the client does
		now := time.Now()
		ctx, cancel := context.WithDeadline(ctx, now.Add(p.timeout))
		defer cancel()
		p.send(ctx, now, requests)
		return nil
	}
	select {
	case <-b.ctx.Done():
		if err := context.Cause(b.ctx); err != errAnswered {
			return err
		}
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// ended returns why a caller's ctx ended, so that it is known for that whatever
// its cause is.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// join returns the batch that requests wait in, or nil if a trip of their own is
// free, which leave gives back.
func (p *pipeliner) join(requests []request) (*batch, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if p.underWay < p.max {
		p.underWay++
		p.running.Add(1)
		return nil, nil
	}
	if n := len(p.waiting); n == 0 || p.waiting[n-1].callers == maxShared || p.waiting[n-1].ctx.Err() != nil {
		b := &batch{}
		// Hooks of the client see nothing of what any one caller's ctx carries.
		b.ctx, b.stop = context.WithTimeoutCause(p.ctx, p.timeout, ErrTimeout)
		b.ctx, b.end = context.WithCancelCause(b.ctx)
		p.waiting = append(p.waiting, b)
	}
	b := p.waiting[len(p.waiting)-1]
	b.callers++
	b.requests = append(b.requests, requests...)
	return b, nil
}

// leave hands the trip of its caller to the batch that waits longest.
func (p *pipeliner) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.underWay--
		p.running.Done()
		return
	}
	b := p.waiting[0]
	p.waiting[0] = nil // not to be kept by the slice
	p.waiting = p.waiting[1:]
	go p.carry(b)
}

// carry makes the trip of a batch.
func (p *pipeliner) carry(b *batch) {
	defer p.leave()
	defer b.stop()
	defer b.end(errAnswered)
	if b.ctx.Err() == nil {
		p.send(b.ctx, time.Now(), b.requests)
	}
}

// background runs fn in a goroutine until it returns; its ctx ends with close.
// It reports false if the store is closed.
func (p *pipeliner) background(fn func(context.Context)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return false
	}
	p.running.Go(func() { fn(p.ctx) })
	return true
}

// close lets nothing begin any more and returns a channel that is closed when
// everything has ended.
func (p *pipeliner) close() <-chan struct{} {
	p.mu.Lock()
	p.cancel(ErrClosed)
	p.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		p.running.Wait()
		close(ended)
	}()
	return ended
}
