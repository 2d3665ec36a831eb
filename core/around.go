package core

import "context"

// An Around wraps the behaviours of units that take part in an experiment: those
// whose source is manual, forced, stored, segmented or resolved. The first one
// is the outermost, as with HTTP middleware. a is the finished assignment.
//
// next runs what is inside, and returns the behaviour's error, for information:
// an Around cannot change what the caller gets. It passes its ctx on, so an
// Around may add to it. If an Around doesn't call next, the core does; calling
// it twice runs nothing twice. A panic of an Around is recovered and logged,
// and the behaviour still runs exactly once; a panic of the behaviour passes
// through.
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
	spec *spec
	a    Assignment
	run  func(context.Context) error // the behaviour

	begun bool  // run was called
	ended bool  // and returned
	err   error // what it returned
}

// wrap runs the i-th Around and all inside it.
func (c *chain) wrap(ctx context.Context, i int) error {
	if i == len(c.spec.around) {
		return c.behave(ctx)
	}
	called := false
	next := func(ctx context.Context) error {
		if called {
			return c.err
		}
		called = true
		return c.wrap(ctx, i+1)
	}
	c.guard(ctx, i, next)
	if !called {
		return next(ctx)
	}
	return c.err
}

// guard runs the i-th Around and recovers its panics. The behaviour's own panic
// is not recovered, so that it keeps its stack.
func (c *chain) guard(ctx context.Context, i int, next func(context.Context) error) {
	defer func() {
		if c.begun && !c.ended {
			return
		}
		if p := recover(); p != nil {
			c.spec.panicked(ctx, "around", "", p)
		}
	}()
	c.spec.around[i](ctx, c.a, next)
}

// behave runs the behaviour, once.
func (c *chain) behave(ctx context.Context) error {
	if !c.begun {
		c.begun = true
		c.err = c.run(ctx)
		c.ended = true
	}
	return c.err
}
