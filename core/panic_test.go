package core_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
)

// cursed is a value whose every method panics, with a value that panics in turn
// when it is printed.
type cursed struct{}

func (cursed) String() string { panic(twiceCursed{}) }
func (cursed) Error() string  { panic(twiceCursed{}) }
func (cursed) Is(error) bool  { panic(twiceCursed{}) }

type twiceCursed struct{}

func (twiceCursed) String() string { panic("boom") }

func TestPanicsWithValuesThatPanic(t *testing.T) {
	curse := func(context.Context, *user) bool { panic(cursed{}) }
	for name, change := range map[string]func(*core.Config, *definition){
		"unit":      func(_ *core.Config, d *definition) { d.Unit = func(*user) core.Unit { panic(cursed{}) } },
		"enabled":   func(_ *core.Config, d *definition) { d.Enabled = func(context.Context) bool { panic(cursed{}) } },
		"exclusion": func(_ *core.Config, d *definition) { d.Exclusions = []core.Rule[*user]{{If: curse}} },
		"tracker": func(c *core.Config, _ *definition) {
			c.Tracker = core.TrackerFunc(func(context.Context, core.Event) error { panic(cursed{}) })
		},
		"store": func(c *core.Config, _ *definition) { c.Store = cursedStore{core.NewMemoryStore(nil)} },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, change)
			_, err := l.exp.Run(ctx, &user{ID: "1"})
			require.NoError(t, err)
			require.Contains(t, l.log.String(), "a core_test.cursed that can't be printed")
		})
	}
}

type cursedStore struct{ core.Store }

func (cursedStore) Load(context.Context, string, string, []string) (core.Entry, []string, bool, error) {
	panic(cursed{})
}

func TestErrorsOfARolloutWhoseMethodsPanic(t *testing.T) {
	for _, policy := range []core.RolloutErrorPolicy{core.ServeControl, core.ServeStored} {
		l := newLab(t, func(c *core.Config, _ *definition) { c.OnRolloutError = policy })
		l.exp.Assign(ctx, &user{ID: "1"})
		l.flag.err = cursed{}
		require.Equal(t, core.SourceError, l.untracked(l.exp, &user{ID: "1"}).Source)

		l.flag.err = (*core.RolloutError)(nil)
		a := l.exp.Assign(ctx, &user{ID: "2"})
		require.Equal(t, core.SourceError, a.Source)
		require.ErrorContains(t, a.Err, "a nil *RolloutError")
	}
}

// bareHandler is a log handler that panics.
type bareHandler struct{ slog.Handler }

func (bareHandler) Handle(context.Context, slog.Record) error { panic("boom") }

func TestLogHandlerThatPanics(t *testing.T) {
	for name, tracker := range map[string]core.Tracker{"tracker": &tracking.Recorder{}, "no tracker": nil} {
		l := newLab(t, func(c *core.Config, _ *definition) {
			c.Tracker = tracker
			c.Logger = slog.New(bareHandler{slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})})
		})
		got, err := l.exp.Run(ctx, &user{ID: "1"})
		require.NoError(t, err, name)
		require.Equal(t, "red!", got, name)
		l.flag.err = errFlag
		_, err = l.exp.Run(ctx, &user{ID: "1"})
		require.NoError(t, err, name)
		require.Positive(t, l.client.Stats().Panics, name)
	}
}

// moody describes itself until it doesn't.
type moody struct {
	core.Rollout
	broken bool
}

func (m *moody) Describe() core.Description {
	if m.broken {
		panic("boom")
	}
	return core.Description{Name: "moody", Detail: "well"}
}

func TestDescribeThatPanicsSaysNothing(t *testing.T) {
	l := newLab(t, nil)
	def := inlineDef()
	first := &moody{Rollout: l.flag}
	def.Rollout = first
	_, err := core.Inline(l.client, def).Run(ctx, &user{ID: "1"})
	require.NoError(t, err)
	first.broken = true
	require.Equal(t, "moody", l.client.Experiments()[0].Rollout.Name, "the name from before")
	def.Rollout = &moody{Rollout: l.flag}
	require.ErrorContains(t, core.Inline(l.client, def).Assign(ctx, &user{ID: "1"}).Err, "rollout")
}

// bombScheme panics instead of making a key.
type bombScheme struct{ core.KeyScheme }

func (bombScheme) Key([]byte, string, []core.Attr) (string, error) { panic("boom") }

// bombScope panics when it is asked for a visitor.
type bombScope struct{ core.Scope }

func (bombScope) Visitor(string, bool) core.Visitor { panic("boom") }

func (bombScope) Depends() {}

func (bombScope) Silent() bool { return false }

func TestAPanicIsBlamedOnWhoPanicked(t *testing.T) {
	l := newLab(t, func(c *core.Config, _ *definition) { c.KeyScheme = bombScheme{} })
	a := l.exp.Assign(ctx, &user{ID: "1"})
	require.Equal(t, core.SourceNoUnit, a.Source)
	require.ErrorContains(t, a.Err, "KeyScheme panicked: boom")
	require.Contains(t, l.log.String(), `in="key scheme"`)

	l = newLab(t, nil)
	a = l.exp.Assign(core.WithScope(ctx, bombScope{}), &user{})
	require.Equal(t, core.SourceNoUnit, a.Source)
	require.ErrorContains(t, a.Err, "the scope panicked: boom")
	require.Contains(t, l.log.String(), "in=scope")
}
