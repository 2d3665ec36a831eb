package core_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// cursed is a value whose every method panics, with a value that panics in turn
// when it is printed.
type cursed struct{}

func (cursed) String() string { panic(twiceCursed{}) }
func (cursed) Error() string  { panic(twiceCursed{}) }
func (cursed) Is(error) bool  { panic(twiceCursed{}) }

type twiceCursed struct{}

func (twiceCursed) String() string { panic("boom") }

// bomb explodes wherever somebody else's code is called.
type bomb struct {
	core.Scope
	value any
}

func (b bomb) rule(context.Context, *user) bool                             { panic(b.value) }
func (b bomb) shared(context.Context, any) bool                             { panic(b.value) }
func (b bomb) draw(context.Context) (string, error)                         { panic(b.value) }
func (b bomb) enabled(context.Context) bool                                 { panic(b.value) }
func (b bomb) unit(*user) core.Unit                                         { panic(b.value) }
func (b bomb) publish(context.Context, core.Signature)                      { panic(b.value) }
func (b bomb) Track(context.Context, core.Event) error                      { panic(b.value) }
func (b bomb) Key([]byte, string, []core.Attr) (string, error)              { panic(b.value) }
func (b bomb) Visitor(string, bool) core.Visitor                            { panic(b.value) }
func (b bomb) Depends()                                                     {}
func (b bomb) Silent() bool                                                 { return false }
func (b bomb) Resolve(context.Context, core.Request) (core.Decision, error) { panic(b.value) }

func TestPanicsNeverReachTheCaller(t *testing.T) {
	const noUnit, failed = "control no-unit/- untracked", "control error/- untracked"
	const excluded = "control excluded/excluded by exclusion 1 untracked"
	for _, c := range []struct {
		in     string // the log's word for who panicked
		plant  func(bomb, *core.Config, *definition)
		served string
		err    bool // it is an error of the assignment too
	}{
		{"Unit", func(b bomb, _ *core.Config, d *definition) { d.Unit = b.unit }, noUnit, true},
		{"KeyScheme", func(b bomb, c *core.Config, _ *definition) { c.KeyScheme = b }, noUnit, true},
		{"the scope", func(b bomb, _ *core.Config, d *definition) {}, noUnit, true},
		{"OptOut", func(b bomb, c *core.Config, _ *definition) { c.OptOut = b.shared }, "control opted-out/- untracked", false},
		{"rollout", func(b bomb, c *core.Config, _ *definition) { c.Rollout = b }, failed, true},
		{"rollout", func(b bomb, _ *core.Config, d *definition) { d.Enabled = b.enabled }, failed, true},
		{"rollout", func(b bomb, c *core.Config, _ *definition) { c.Rollout = &flag{d: draws(b.draw)} }, failed, true},
		{"exclusion", func(b bomb, _ *core.Config, d *definition) { d.Exclusions = []rule{{If: b.rule}} }, excluded, false},
		{"exclusion", func(b bomb, c *core.Config, _ *definition) { c.Exclusions = []core.Rule[any]{{If: b.shared}} },
			"control excluded/excluded by shared exclusion 1 untracked", false},
		{"segment", func(b bomb, _ *core.Config, d *definition) { d.Segments = []segment{{If: b.rule, Variant: "blue"}} },
			"red resolved/resolved", false},
		{"the store", func(b bomb, c *core.Config, _ *definition) { c.Store.(*spy).panics = b.value }, "red resolved/resolved", true},
		{"the tracker", func(b bomb, c *core.Config, _ *definition) { c.Tracker = b }, "red resolved/resolved", false},
		{"OnPublish", func(b bomb, c *core.Config, _ *definition) { c.OnPublish = b.publish }, "red resolved/resolved", false},
	} {
		for _, v := range []struct {
			value any
			text  string
		}{{"boom", "boom"}, {cursed{}, "a core_test.cursed that can't be printed"}} {
			t.Run(c.in+": "+v.text, func(t *testing.T) {
				b := bomb{value: v.value}
				l := newLab(t, func(cfg *core.Config, d *definition) { d.StickyExclusions = true; c.plant(b, cfg, d) })
				at, u := ctx, &user{ID: "1"}
				if c.in == "the scope" {
					at, u = core.WithScope(ctx, b), &user{}
				}
				trial := l.exp.For(u)
				_, err := trial.Run(at)
				require.NoError(t, err)
				a := trial.Assign(at)
				serves(t, a, c.served)
				if c.err {
					require.ErrorContains(t, a.Err, c.in+" panicked: "+v.text)
				} else {
					require.NoError(t, a.Err)
				}
				require.Equal(t, a.Tracked && c.in != "the store", l.stored(core.Assignment{Experiment: "pill_color", Key: key(u)}) != core.Entry{})
				require.EqualValues(t, 1, l.client.Stats().Panics)
				require.Regexp(t, `in="?`+c.in, l.log.String())
				require.Contains(t, l.log.String(), v.text)
				require.Contains(t, l.log.String(), "_test.go", "the stack")
			})
		}
	}
}

func TestPanicsOfTheStoreAreErrorsForOperators(t *testing.T) {
	l := newLab(t, nil)
	l.store.panics = "boom"
	require.ErrorContains(t, l.exp.Forget(ctx, &user{ID: "1"}), "the store panicked: boom")
	require.ErrorContains(t, l.exp.Clear(ctx), "the store panicked: boom")
}

func TestPanickingExclusionUnderExclusionFirstHidesTheEntry(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.StickyPolicy = core.ExclusionFirst
		d.Exclusions = []rule{{If: bomb{value: "boom"}.rule}}
	})
	l.seed(&user{ID: "1"}, entry("red", core.SourceResolved))
	a := l.exp.Assign(ctx, &user{ID: "1"})
	serves(t, a, "control excluded/excluded by exclusion 1 untracked")
	require.Equal(t, "red", l.stored(a).Variant)
}

func TestErrorsOfARolloutWhoseMethodsPanic(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy core.RolloutErrorPolicy
	}{{"serve control", core.ServeControl}, {"serve stored", core.ServeStored}} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, func(cfg *core.Config, _ *definition) { cfg.OnRolloutError = c.policy })
			l.seed(&user{ID: "1"}, entry("red", core.SourceResolved))
			l.flag.err = cursed{}
			serves(t, l.exp.Assign(ctx, &user{ID: "1"}), "control error/- untracked")

			l.flag.err = (*core.RolloutError)(nil)
			a := l.exp.Assign(ctx, &user{ID: "2"})
			serves(t, a, "control error/- untracked")
			require.ErrorContains(t, a.Err, "a nil *RolloutError")
		})
	}
}

// bareHandler is a log handler that panics.
type bareHandler struct{ slog.Handler }

func (bareHandler) Handle(context.Context, slog.Record) error { panic("boom") }

func TestLogHandlerThatPanics(t *testing.T) {
	for _, c := range []struct {
		name    string
		tracker bool
	}{{"with a tracker", true}, {"events go to the log", false}} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, func(cfg *core.Config, _ *definition) {
				if !c.tracker {
					cfg.Tracker = nil
				}
				cfg.Logger = slog.New(bareHandler{slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})})
			})
			got, err := l.exp.Run(ctx, &user{ID: "1"})
			require.NoError(t, err)
			require.Equal(t, "red!", got)
			l.flag.err = errFlag
			_, err = l.exp.Run(ctx, &user{ID: "1"})
			require.NoError(t, err)
			require.Positive(t, l.client.Stats().Panics)
		})
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
