package core

import (
	"context"
	"sync"
	"sync/atomic"
)

// An Around wraps the behaviours of units that take part in an experiment: those
// whose source is manual, forced, stored, segmented or resolved. The first one
// is the outermost, as with HTTP middleware. a is the finished assignment.
//
// next runs what is inside, and returns the behaviour's error, for information:
// an Around cannot change what the caller gets. It passes its ctx on, so an
// Around may add to it. If an Around doesn't call next, the core does; calling
// it twice runs nothing twice, and calling it on another goroutine makes the
// core wait for it. A panic of an Around is recovered and logged, and the
// behaviour still runs exactly once; a panic of the behaviour passes through.
type Around func(ctx context.Context, a Assignment, next func(context.Context) error)

// Before returns an [Around] that calls fn before the behaviour.
func Before(fn func(ctx context.Context, a Assignment)) Around {
	return func(ctx context.Context, a Assignment, next func(context.Context) error) {
		fn(ctx, a)
		_ = next(ctx)
	}
}

// After returns an [Around] that calls fn after the behaviour, with its error.
// It is not called if the behaviour panics.
func After(fn func(ctx context.Context, a Assignment, err error)) Around {
	return func(ctx context.Context, a Assignment, next func(context.Context) error) {
		fn(ctx, a, next(ctx))
	}
}

// takesPart reports whether a unit is in the experiment, so that behaviours are
// wrapped.
func (a *Assignment) takesPart() bool {
	switch a.Source {
	case SourceManual, SourceForced, SourceStored, SourceSegmented, SourceResolved:
		return true
	}
	return false
}

// A chain is one run of a behaviour inside its Arounds.
type chain struct {
	exp *experiment
	a   Assignment
	run func(context.Context) error // the behaviour

	state atomic.Uint32 // one of the chain... constants
	err   error         // what run returned, once it ended
}

const (
	chainOpen   = iota // run has not returned
	chainEnded         // it returned
	chainBroken        // it panicked
)

// wrap runs the i-th Around and all inside it, once, and returns when both are
// over, whichever goroutine the Around called next on.
func (c *chain) wrap(ctx context.Context, i int) {
	if i == len(c.exp.around) {
		c.behave(ctx)
		return
	}
	var called atomic.Bool
	var inside sync.WaitGroup
	inside.Add(1)
	next := func(ctx context.Context) error {
		if !called.Swap(true) {
			defer inside.Done()
			c.wrap(ctx, i+1)
		}
		return c.result()
	}
	c.guard(ctx, i, next)
	_ = next(ctx)
	inside.Wait()
}

// guard runs the i-th Around and recovers its panics. The behaviour's own panic
// is not recovered, so that it keeps its stack.
func (c *chain) guard(ctx context.Context, i int, next func(context.Context) error) {
	defer func() {
		if c.state.Load() == chainBroken {
			return
		}
		if p := recover(); p != nil {
			c.exp.panicked(ctx, "around", "", p, nil)
		}
	}()
	c.exp.around[i](ctx, c.a, next)
}

// behave runs the behaviour.
func (c *chain) behave(ctx context.Context) {
	defer c.state.CompareAndSwap(chainOpen, chainBroken)
	c.err = c.run(ctx)
	c.state.Store(chainEnded)
}

// result returns what the behaviour returned, nil before.
func (c *chain) result() error {
	if c.state.Load() == chainEnded {
		return c.err
	}
	return nil
}
