package core_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestAroundsNestLikeMiddleware(t *testing.T) {
	var order []string
	say := func(s string) { order = append(order, s) }
	around := func(name string) core.Around {
		return func(ctx context.Context, a core.Assignment, next func(context.Context) error) {
			say(name + " before " + a.Variant)
			_ = next(ctx)
			say(name + " after")
		}
	}
	l := newLab(t, func(c *core.Config, d *definition) {
		c.Around = []core.Around{around("shared")}
		d.Around = []core.Around{
			around("own"),
			core.Before(func(context.Context, core.Assignment) { say("Before") }),
			core.After(func(_ context.Context, _ core.Assignment, err error) { say(fmt.Sprint("After ", err)) }),
		}
		d.Variants[0].Run = func(context.Context, *user) (string, error) { say("behaviour"); return "x", errors.New("e") }
	})
	got, err := l.exp.Run(ctx, &user{ID: "1"})
	require.EqualError(t, err, "e")
	require.Equal(t, "x", got)
	require.Equal(t, []string{"shared before red", "own before red", "Before", "behaviour", "After e", "own after", "shared after"}, order)
}

func TestAroundPassesItsContextOn(t *testing.T) {
	type key struct{}
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Around = []core.Around{func(ctx context.Context, _ core.Assignment, next func(context.Context) error) {
			_ = next(context.WithValue(ctx, key{}, "span"))
		}}
		d.Variants[0].Run = func(ctx context.Context, _ *user) (string, error) { return ctx.Value(key{}).(string), nil }
	})
	got, err := l.exp.Run(ctx, &user{ID: "1"})
	require.NoError(t, err)
	require.Equal(t, "span", got)
}

func TestBehaviourRunsExactlyOnceWhateverAroundsDo(t *testing.T) {
	next := func(ctx context.Context, _ core.Assignment, next func(context.Context) error) { _ = next(ctx) }
	for name, around := range map[string]core.Around{
		"no next": func(context.Context, core.Assignment, func(context.Context) error) {},
		"twice": func(ctx context.Context, _ core.Assignment, next func(context.Context) error) {
			_ = next(ctx)
			_ = next(ctx)
		},
		"panic before": func(context.Context, core.Assignment, func(context.Context) error) { panic("boom") },
		"panic after": func(ctx context.Context, _ core.Assignment, next func(context.Context) error) {
			_ = next(ctx)
			panic("boom")
		},
	} {
		for _, chain := range [][]core.Around{{around}, {next, around}, {around, next}, {around, around}} {
			ran := 0
			l := newLab(t, func(_ *core.Config, d *definition) {
				d.Around = chain
				d.Variants[0].Run = func(context.Context, *user) (string, error) { ran++; return "x", errFlag }
			})
			got, err := l.exp.Run(ctx, &user{ID: "1"})
			require.Equal(t, "x", got, name)
			require.Same(t, errFlag, err, name)
			require.Equal(t, 1, ran, name)
		}
	}
}

func TestAroundsWrapUnitsThatTakePart(t *testing.T) {
	var seen []core.Source
	l := newLab(t, func(c *core.Config, d *definition) {
		excludeSubscribed(c, d)
		c.Around = []core.Around{core.Before(func(_ context.Context, a core.Assignment) { seen = append(seen, a.Source) })}
	})
	run := func(u *user) { _, err := l.exp.Run(ctx, u); require.NoError(t, err) }
	run(&user{ID: "2", Subscribed: true})
	run(&user{ID: ""})
	_, _ = l.exp.For(&user{ID: "3"}).OnlyAssigned().Run(ctx)
	l.flag.set(core.Off, "")
	run(&user{ID: "1"})
	require.Empty(t, seen)
	l.flag.set(core.Conditional, "")
	run(&user{ID: "1"})
	run(&user{ID: "1"})
	_, _ = l.exp.For(&user{ID: "1"}).AssignTo("red").Run(ctx)
	require.Equal(t, []core.Source{core.SourceResolved, core.SourceStored, core.SourceManual}, seen)
}

func TestPanicOfABehaviourPassesThroughArounds(t *testing.T) {
	after := 0
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Around = []core.Around{core.After(func(context.Context, core.Assignment, error) { after++ })}
		d.Variants[0].Run = func(context.Context, *user) (string, error) { panic("app") }
	})
	require.PanicsWithValue(t, "app", func() { _, _ = l.exp.Run(ctx, &user{ID: "1"}) })
	require.Zero(t, after)
	require.Zero(t, l.client.Stats().Panics)

	l = newLab(t, func(_ *core.Config, d *definition) {
		d.Around = []core.Around{func(ctx context.Context, _ core.Assignment, next func(context.Context) error) {
			defer func() { _ = recover() }()
			_ = next(ctx)
		}}
		d.Variants[0].Run = func(context.Context, *user) (string, error) { panic("app") }
	})
	_, err := l.exp.Run(ctx, &user{ID: "1"})
	require.ErrorContains(t, err, "the behaviour of red panicked")
}

func TestAroundOfAValue(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Around = []core.Around{core.Before(func(context.Context, core.Assignment) {})}
	})
	got, err := l.exp.Run(ctx, &user{ID: "1"})
	require.NoError(t, err)
	require.Equal(t, "red!", got)
}

// An Around may call next on another goroutine, and return before it is over,
// never call it before it returned, or panic meanwhile.
func TestNextOnAnotherGoroutine(t *testing.T) {
	type next = func(context.Context) error
	// run is one run of the behaviour, which goes on until release is closed.
	type run struct{ begun, release chan struct{} }
	for name, around := range map[string]func(context.Context, *run, next){
		"waits": func(ctx context.Context, r *run, next next) {
			done := make(chan error)
			go func() { done <- next(ctx) }()
			<-r.begun
			close(r.release)
			require.Same(t, errFlag, <-done)
		},
		"does not wait": func(ctx context.Context, r *run, next next) {
			go func() { _ = next(ctx) }()
			<-r.begun
			close(r.release)
		},
		"panics meanwhile": func(ctx context.Context, r *run, next next) {
			go func() { _ = next(ctx) }()
			<-r.begun
			defer close(r.release)
			panic("boom")
		},
		"comes too late": func(ctx context.Context, r *run, next next) {
			go func() {
				<-r.release
				_ = next(ctx)
			}()
			close(r.release)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &run{begun: make(chan struct{}), release: make(chan struct{})}
			ran := 0
			l := newLab(t, func(_ *core.Config, d *definition) {
				d.Around = []core.Around{
					core.Before(func(context.Context, core.Assignment) {}),
					func(ctx context.Context, _ core.Assignment, next next) { around(ctx, r, next) },
				}
				d.Variants[0].Run = func(context.Context, *user) (string, error) {
					ran++
					close(r.begun)
					<-r.release
					return "x", errFlag
				}
			})
			got, err := l.exp.Run(ctx, &user{ID: "1"})
			require.Same(t, errFlag, err)
			require.Equal(t, "x", got)
			require.Equal(t, 1, ran)
		})
	}
}

// Nesting.

func nested(t *testing.T, nesting core.Nesting) (*lab, *core.Assignment) {
	inner := new(core.Assignment)
	var l *lab
	l = newLab(t, func(c *core.Config, d *definition) {
		c.Nesting = nesting
		d.Variants[0].Run = func(ctx context.Context, u *user) (string, error) {
			trial := core.Inline(l.client, inlineDef()).For(u)
			got, err := trial.Run(ctx)
			*inner = trial.Assign(ctx)
			return got, err
		}
	})
	return l, inner
}

func TestNestedExperimentsAreAllowedAndLogged(t *testing.T) {
	l, inner := nested(t, core.NestingAllowed)
	got, err := l.exp.Run(ctx, &user{ID: "1"})
	require.NoError(t, err)
	require.Equal(t, "red!", got)
	require.True(t, inner.Tracked)
	require.Contains(t, l.log.String(), "experiment=inline outer=pill_color")
}

func TestNestedExperimentsCanBeForbidden(t *testing.T) {
	l, inner := nested(t, core.NestingForbidden)
	got, err := l.exp.Run(ctx, &user{ID: "1"})
	require.NoError(t, err)
	require.Equal(t, "grey", got)
	require.ErrorIs(t, inner.Err, core.ErrNested)
	require.Equal(t, core.SourceError, inner.Source)
	require.False(t, inner.Tracked)
	require.Len(t, l.events.Take(), 1)
	require.Equal(t, 1, l.store.writes)
	require.Contains(t, l.log.String(), "experiment=inline outer=pill_color forbidden=true")
}

func TestAnExperimentInsideItselfIsNotNested(t *testing.T) {
	var l *lab
	l = newLab(t, func(c *core.Config, d *definition) {
		c.Nesting = core.NestingForbidden
		d.Variants[0].Run = func(ctx context.Context, u *user) (string, error) {
			return "red", l.exp.Track(ctx, u, core.Event{Action: "painted"})
		}
	})
	_, err := l.exp.Run(ctx, &user{ID: "1"})
	require.NoError(t, err)
	require.Len(t, l.events.Take(), 2)
}
