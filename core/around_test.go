package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

type next = func(context.Context) error

// around wraps what run does for red.
func around(run func(context.Context, *user) (string, error), arounds ...core.Around) change {
	return func(_ *core.Config, d *definition) { d.Around, d.Variants[0].Run = arounds, run }
}

func passes(ctx context.Context, _ core.Assignment, next next) { _ = next(ctx) }

func TestAroundsNestLikeMiddlewareAndPassTheirContextOn(t *testing.T) {
	type key struct{}
	var order []string
	say := func(s string) { order = append(order, s) }
	wraps := func(name string) core.Around {
		return func(ctx context.Context, a core.Assignment, next next) {
			say(name + " before " + a.Variant)
			_ = next(context.WithValue(ctx, key{}, name))
			say(name + " after")
		}
	}
	l := newLab(t, all(
		around(func(ctx context.Context, _ *user) (string, error) {
			say("behaviour")
			return ctx.Value(key{}).(string), errors.New("e")
		},
			wraps("own"),
			core.Before(func(context.Context, core.Assignment) { say("Before") }),
			core.After(func(_ context.Context, _ core.Assignment, err error) { say(fmt.Sprint("After ", err)) })),
		func(c *core.Config, _ *definition) { c.Around = []core.Around{wraps("shared")} }))
	got, err := l.exp.Run(ctx, &user{ID: "1"})
	require.EqualError(t, err, "e")
	require.Equal(t, "own", got, "the innermost ctx")
	require.Equal(t, []string{"shared before red", "own before red", "Before", "behaviour", "After e", "own after", "shared after"}, order)
}

func TestBehaviourRunsExactlyOnceWhateverAroundsDo(t *testing.T) {
	for _, c := range []struct {
		name   string
		around core.Around
	}{
		{"no next", func(context.Context, core.Assignment, next) {}},
		{"twice", func(ctx context.Context, _ core.Assignment, next next) { _ = next(ctx); _ = next(ctx) }},
		{"panic before", func(context.Context, core.Assignment, next) { panic("boom") }},
		{"panic after", func(ctx context.Context, _ core.Assignment, next next) { _ = next(ctx); panic("boom") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, chain := range [][]core.Around{{c.around}, {passes, c.around}, {c.around, passes}, {c.around, c.around}} {
				ran := 0
				l := newLab(t, around(func(context.Context, *user) (string, error) { ran++; return "x", errFlag }, chain...))
				got, err := l.exp.Run(ctx, &user{ID: "1"})
				require.Equal(t, "x", got)
				require.Same(t, errFlag, err)
				require.Equal(t, 1, ran)
				panics := strings.HasPrefix(c.name, "panic")
				require.Equal(t, panics, l.client.Stats().Panics > 0)
				require.Equal(t, panics, strings.Contains(l.log.String(), "in=around"))
			}
		})
	}
}

func TestAroundsWrapUnitsThatTakePart(t *testing.T) {
	var seen []core.Source
	l := newLab(t, all(excludeSubscribed, func(c *core.Config, _ *definition) {
		c.Around = []core.Around{core.Before(func(_ context.Context, a core.Assignment) { seen = append(seen, a.Source) })}
	}))
	l.run(ctx, &user{ID: "2", Subscribed: true})
	l.run(ctx, nobody)
	_, _ = l.exp.For(&user{ID: "3"}).OnlyAssigned().Run(ctx)
	l.flag.set(core.Off, "")
	l.run(ctx, &user{ID: "1"})
	require.Empty(t, seen)
	l.flag.set(core.Conditional, "red")
	require.Equal(t, "red!", l.run(ctx, &user{ID: "1"}), "values too")
	l.run(ctx, &user{ID: "1"})
	_, _ = l.exp.For(&user{ID: "1"}).AssignTo("red").Run(ctx)
	require.Equal(t, []core.Source{core.SourceResolved, core.SourceStored, core.SourceManual}, seen)
}

func TestPanicOfABehaviour(t *testing.T) {
	app := func(context.Context, *user) (string, error) { panic("app") }
	after := 0
	counts := core.After(func(context.Context, core.Assignment, error) { after++ })
	for _, c := range []struct {
		name   string
		change change
	}{{"is the app's", around(app)}, {"passes through Arounds", around(app, counts)}} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, c.change)
			require.PanicsWithValue(t, "app", func() { _, _ = l.exp.Run(ctx, &user{ID: "1"}) })
			require.Zero(t, after)
			require.Zero(t, l.client.Stats().Panics)
			require.Len(t, l.events.Take(), 1)
			serves(t, l.exp.Assign(ctx, &user{ID: "1"}), "red stored/resolved")
		})
	}
	t.Run("is an error where an Around recovers it", func(t *testing.T) {
		l := newLab(t, around(app, func(ctx context.Context, _ core.Assignment, next next) {
			defer func() { _ = recover() }()
			_ = next(ctx)
		}))
		_, err := l.exp.Run(ctx, &user{ID: "1"})
		require.ErrorContains(t, err, "the behaviour of red panicked")
	})
}

// An Around may call next on another goroutine, and return before it is over,
// never call it before it returned, or panic meanwhile.
func TestNextOnAnotherGoroutine(t *testing.T) {
	// run is one run of the behaviour, which goes on until release is closed.
	type run struct{ begun, release chan struct{} }
	for _, c := range []struct {
		name   string
		around func(context.Context, *run, next)
	}{
		{"waits", func(ctx context.Context, r *run, next next) {
			done := make(chan error)
			go func() { done <- next(ctx) }()
			<-r.begun
			close(r.release)
			require.Same(t, errFlag, <-done)
		}},
		{"does not wait", func(ctx context.Context, r *run, next next) {
			go func() { _ = next(ctx) }()
			<-r.begun
			close(r.release)
		}},
		{"panics meanwhile", func(ctx context.Context, r *run, next next) {
			go func() { _ = next(ctx) }()
			<-r.begun
			defer close(r.release)
			panic("boom")
		}},
		{"comes too late", func(ctx context.Context, r *run, next next) {
			go func() {
				<-r.release
				_ = next(ctx)
			}()
			close(r.release)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, ran := &run{begun: make(chan struct{}), release: make(chan struct{})}, 0
			l := newLab(t, around(func(context.Context, *user) (string, error) {
				ran++
				close(r.begun)
				<-r.release
				return "x", errFlag
			}, passes, func(ctx context.Context, _ core.Assignment, next next) { c.around(ctx, r, next) }))
			got, err := l.exp.Run(ctx, &user{ID: "1"})
			require.Same(t, errFlag, err)
			require.Equal(t, "x", got)
			require.Equal(t, 1, ran)
		})
	}
}

func TestNestedExperiments(t *testing.T) {
	for _, c := range []struct {
		name    string
		nesting core.Nesting
		got     string
		served  string
		err     error
		events  int
		log     string
	}{
		{"allowed", core.NestingAllowed, "red!", "red resolved/resolved", nil, 2, `level=INFO msg="experiment: nested in another" experiment=inline outer=pill_color forbidden=false`},
		{"forbidden", core.NestingForbidden, "grey", "control error/- untracked", core.ErrNested, 1, `level=ERROR msg="experiment: nested in another" experiment=inline outer=pill_color forbidden=true`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l *lab
			var inner core.Assignment
			l = newLab(t, all(func(cfg *core.Config, _ *definition) { cfg.Nesting = c.nesting },
				around(func(ctx context.Context, u *user) (string, error) {
					trial := core.Inline(l.client, inlineDef()).For(u)
					got, err := trial.Run(ctx)
					inner = trial.Assign(ctx)
					return got, err
				})))
			require.Equal(t, c.got, l.run(ctx, &user{ID: "1"}))
			serves(t, inner, c.served)
			require.ErrorIs(t, inner.Err, c.err)
			require.Len(t, l.events.Take(), c.events)
			require.Equal(t, c.events, l.store.writes)
			require.Contains(t, l.log.String(), c.log)
		})
	}
}

func TestAnExperimentInsideItselfIsNotNested(t *testing.T) {
	var l *lab
	l = newLab(t, all(func(c *core.Config, _ *definition) { c.Nesting = core.NestingForbidden },
		around(func(ctx context.Context, u *user) (string, error) { return "red", l.exp.Track(ctx, u, clicked) })))
	l.run(ctx, &user{ID: "1"})
	require.Len(t, l.events.Take(), 2)
}
