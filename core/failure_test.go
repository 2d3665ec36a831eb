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

func TestRolloutErrorIsAnUntrackedControlAndStoresNothing(t *testing.T) {
	for name, fail := range map[string]error{
		"failed":    errFlag,
		"not ready": fmt.Errorf("unleash: %w", core.ErrNotReady),
		"absent":    fmt.Errorf("unleash: %w", core.ErrFlagNotFound),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			stored := l.exp.Assign(ctx, &user{ID: "stored"})
			l.flag.err = fail
			for _, u := range []*user{{ID: "1"}, {ID: "stored"}} {
				a := l.untracked(l.exp, u)
				require.Equal(t, core.SourceError, a.Source)
				require.ErrorIs(t, a.Err, fail)
				var re *core.RolloutError
				require.ErrorAs(t, a.Err, &re)
				require.Equal(t, "*core_test.flag", re.Provider)
				require.Equal(t, "pill_color", re.Experiment)
			}
			l.nothingStored(l.exp.Assign(ctx, &user{ID: "1"}))
			e, ok := l.stands(stored)
			require.True(t, ok)
			require.Equal(t, "red", e.Variant)
		})
	}
}

func TestRolloutErrorOfTheProviderIsNotWrappedTwice(t *testing.T) {
	l := newLab(t, nil)
	own := &core.RolloutError{Provider: "mine", Experiment: "pill_color", Err: errFlag}
	l.flag.err = own
	require.Same(t, own, l.exp.Assign(ctx, &user{ID: "1"}).Err)
	require.EqualError(t, own, "mine: experiment pill_color: flag server says 500")
}

func TestServeStoredServesWhatIsStoredUntracked(t *testing.T) {
	serveStored := func(c *core.Config, d *definition) { excludeSubscribed(c, d); c.OnRolloutError = core.ServeStored }
	l := newLab(t, serveStored)
	l.exp.Assign(ctx, &user{ID: "1"})
	l.flag.err = errFlag
	a := l.exp.Assign(ctx, &user{ID: "1"})
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.SourceStored, a.Source)
	require.False(t, a.Tracked)
	require.ErrorIs(t, a.Err, errFlag)
	got, err := l.exp.Run(ctx, &user{ID: "1"})
	require.NoError(t, err)
	require.Equal(t, "red!", got)
	require.Empty(t, l.events.Take())

	require.Equal(t, core.SourceError, l.untracked(l.exp, &user{ID: "2"}).Source, "nothing is stored for it")
	l.flag.err = core.ErrFlagNotFound
	require.Equal(t, core.SourceError, l.untracked(l.exp, &user{ID: "1"}).Source, "an absent flag is no failure")

	l.flag.err = errFlag
	l.seed(l.exp, &user{ID: "3"}, entry("green", core.SourceResolved))
	require.Equal(t, core.SourceError, l.untracked(l.exp, &user{ID: "3"}).Source)
	l.seed(l.exp, &user{ID: "4"}, entry("control", core.SourceExcluded))
	require.Equal(t, core.SourceError, l.untracked(l.exp, &user{ID: "4"}).Source)
	first := l.define(func(c *core.Config, d *definition) { serveStored(c, d); d.StickyPolicy = core.ExclusionFirst })
	require.Equal(t, core.SourceError, l.untracked(first, &user{ID: "1", Subscribed: true}).Source)
	require.Equal(t, "red", first.Assign(ctx, &user{ID: "1"}).Variant)
}

func TestFailedReadDecidesWithoutTheStoreAndWritesNothing(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) {
		excludeSubscribed(c, d)
		c.AllowForced = true
		d.Segments = []core.Segment[*user]{{Name: "old", If: old, Into: "blue"}}
		d.StickyExclusions = true
	})
	l.store.loadErr = errStore
	for name, c := range map[string]struct {
		a       core.Assignment
		variant string
		source  core.Source
	}{
		"resolved":   {l.exp.Assign(ctx, &user{ID: "1"}), "red", core.SourceResolved},
		"segmented":  {l.exp.Assign(ctx, &user{ID: "2", Old: true}), "blue", core.SourceSegmented},
		"excluded":   {l.exp.Assign(ctx, &user{ID: "3", Subscribed: true}), "control", core.SourceExcluded},
		"manual":     {l.exp.For(&user{ID: "4"}).AssignTo("blue").Assign(ctx), "blue", core.SourceManual},
		"forced":     {l.exp.Assign(core.WithForced(ctx, "pill_color", "blue"), &user{ID: "5"}), "blue", core.SourceForced},
		"unassigned": {l.exp.For(&user{ID: "6"}).OnlyAssigned().Assign(ctx), "control", core.SourceUnassigned},
	} {
		require.Equal(t, c.variant, c.a.Variant, name)
		require.Equal(t, c.source, c.a.Source, name)
		require.Equal(t, c.variant != core.Control, c.a.Tracked, name)
		require.True(t, c.a.Degraded, name)
		require.ErrorIs(t, c.a.Err, errStore, name)
	}
	require.Zero(t, l.store.writes)
	l.exp.Publish(ctx, &user{ID: "1"})
	require.True(t, l.events.Take()[0].Degraded)
	require.Positive(t, l.client.Stats().Degraded)
}

func TestFailedReadAsksForNoDraw(t *testing.T) {
	l := newLab(t, nil)
	l.flag.d.Choose = func(context.Context) (string, error) { t.Error("drawn"); return "red", nil }
	l.store.loadErr = errStore
	a := l.untracked(l.exp, &user{ID: "1"})
	require.Equal(t, core.SourceError, a.Source)
	require.ErrorIs(t, a.Err, errStore)
}

func TestFailedClaimServesWhatWasDecided(t *testing.T) {
	l := newLab(t, nil)
	l.store.writeErr = errStore
	a := l.exp.Assign(ctx, &user{ID: "1"})
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.SourceResolved, a.Source)
	require.True(t, a.Tracked)
	require.True(t, a.Degraded)
	require.ErrorIs(t, a.Err, errStore)
	require.Equal(t, 1, l.store.writes, "it is not tried again")
}

func TestFailedClaimOfADrawIsAnError(t *testing.T) {
	l := newLab(t, nil)
	l.flag.d.Choose = func(context.Context) (string, error) { return "red", nil }
	l.store.writeErr = errStore
	a := l.untracked(l.exp, &user{ID: "1"})
	require.Equal(t, core.SourceError, a.Source)
	require.ErrorIs(t, a.Err, errStore)
}

func TestFailedClaimOfASegmentServesIt(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Segments = []core.Segment[*user]{{Name: "old", If: old, Into: "blue"}}
	})
	l.flag.d.Choose = func(context.Context) (string, error) { t.Error("drawn"); return "red", nil }
	l.store.writeErr = errStore
	a := l.exp.Assign(ctx, &user{ID: "1", Old: true})
	require.Equal(t, "blue", a.Variant)
	require.Equal(t, core.SourceSegmented, a.Source)
	require.True(t, a.Tracked)
	require.True(t, a.Degraded)
}

func TestFailedClaimOverAnOpenControlServesTheControl(t *testing.T) {
	l := newLab(t, nil)
	l.flag.set(core.Conditional, "")
	l.exp.Assign(ctx, &user{ID: "1"})
	l.flag.set(core.Conditional, "red")
	l.store.writeErr = errStore
	a := l.exp.Assign(ctx, &user{ID: "1"})
	require.Equal(t, core.Control, a.Variant)
	require.Equal(t, core.SourceStored, a.Source)
	require.True(t, a.Tracked)
	require.True(t, a.Degraded)
}

func TestFailedSaveServesTheManualVariant(t *testing.T) {
	l := newLab(t, nil)
	l.store.writeErr = errStore
	a := l.exp.For(&user{ID: "1"}).AssignTo("blue").Assign(ctx)
	require.Equal(t, "blue", a.Variant)
	require.True(t, a.Degraded)
}

func TestStoreThatPanicsIsAStoreThatFails(t *testing.T) {
	l := newLab(t, nil)
	l.store.panics = true
	a := l.exp.Assign(ctx, &user{ID: "1"})
	require.Equal(t, "red", a.Variant)
	require.True(t, a.Degraded)
	require.ErrorContains(t, a.Err, "store is broken")
	require.ErrorContains(t, l.exp.Forget(ctx, &user{ID: "1"}), "store is broken")
	require.ErrorContains(t, l.exp.Clear(ctx), "store is broken")
	require.Contains(t, l.log.String(), "failure_test.go", "the log has the stack")
	require.Positive(t, l.client.Stats().Panics)
}

// wild answers Load and Claim with entries that have no variant.
type wild struct{ core.Store }

func (wild) Load(context.Context, string, string, []string) (core.Entry, []string, bool, error) {
	return core.Entry{}, nil, true, nil
}

type wildClaim struct{ core.Store }

func (wildClaim) Claim(context.Context, string, string, core.Entry, core.Entry) (core.Entry, error) {
	return core.Entry{}, nil
}

type panicClaim struct{ core.Store }

func (panicClaim) Claim(context.Context, string, string, core.Entry, core.Entry) (core.Entry, error) {
	panic("claim")
}

func (panicClaim) Save(context.Context, string, string, core.Entry) error { panic("save") }

func TestStoresThatBreakTheirContractDegrade(t *testing.T) {
	for _, s := range []core.Store{wild{core.NewMemoryStore(nil)}, wildClaim{core.NewMemoryStore(nil)}, panicClaim{core.NewMemoryStore(nil)}} {
		l := newLab(t, func(c *core.Config, _ *definition) { c.Store = s })
		a := l.exp.Assign(ctx, &user{ID: "1"})
		require.Equal(t, "red", a.Variant)
		require.True(t, a.Degraded)
		require.Equal(t, "blue", l.exp.For(&user{ID: "1"}).AssignTo("blue").Assign(ctx).Variant)
	}
}

// restless lets every claim lose to a retired name.
type restless struct{ core.Store }

func (restless) Claim(context.Context, string, string, core.Entry, core.Entry) (core.Entry, error) {
	return core.Entry{Variant: "brown", Final: true}, nil
}

func TestClaimGivesUpInTheEnd(t *testing.T) {
	l := newLab(t, func(c *core.Config, d *definition) {
		c.Store = restless{core.NewMemoryStore(nil)}
		d.Retired = []string{"brown"}
	})
	require.Equal(t, "red", l.exp.Assign(ctx, &user{ID: "1"}).Variant)
}

func TestCancelledContextDoesNotChangeTheDecision(t *testing.T) {
	l := newLab(t, func(c *core.Config, _ *definition) { c.Rollout = core.Even })
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for _, u := range users(50) {
		a := l.exp.Assign(cancelled, u)
		require.NoError(t, a.Err)
		require.Equal(t, a.Variant, l.exp.Assign(ctx, u).Variant)
	}
}

func TestSlowStoreThatHonoursItsDeadlineDegrades(t *testing.T) {
	l := newLab(t, func(c *core.Config, _ *definition) { c.Store = blocked{core.NewMemoryStore(nil)} })
	short, cancel := context.WithTimeout(ctx, 1)
	defer cancel()
	a := l.exp.Assign(short, &user{ID: "1"})
	require.Equal(t, "red", a.Variant)
	require.ErrorIs(t, a.Err, context.DeadlineExceeded)
	require.True(t, a.Degraded)
}

// blocked answers when its ctx ends.
type blocked struct{ core.Store }

func (blocked) Load(ctx context.Context, _, _ string, _ []string) (core.Entry, []string, bool, error) {
	<-ctx.Done()
	return core.Entry{}, nil, false, ctx.Err()
}

func explode[T any](context.Context, T) bool { panic("boom") }

func TestPanicsNeverReachTheCaller(t *testing.T) {
	rule := []core.Rule[*user]{{Name: "bomb", If: explode[*user]}}
	cases := map[string]struct {
		change  func(*core.Config, *definition)
		source  core.Source
		variant string
	}{
		"unit":      {func(_ *core.Config, d *definition) { d.Unit = func(*user) core.Unit { panic("boom") } }, core.SourceNoUnit, "control"},
		"opt-out":   {func(c *core.Config, _ *definition) { c.OptOut = explode[any] }, core.SourceOptedOut, "control"},
		"enabled":   {func(_ *core.Config, d *definition) { d.Enabled = func(context.Context) bool { panic("boom") } }, core.SourceError, "control"},
		"exclusion": {func(_ *core.Config, d *definition) { d.Exclusions = rule; d.StickyExclusions = true }, core.SourceExcluded, "control"},
		"shared rule": {func(c *core.Config, d *definition) {
			c.Exclusions = []core.Rule[any]{{If: explode[any]}}
			d.StickyExclusions = true
		}, core.SourceExcluded, "control"},
		"segment": {func(_ *core.Config, d *definition) {
			d.Segments = []core.Segment[*user]{{If: explode[*user], Into: "blue"}}
		}, core.SourceResolved, "red"},
		"rollout": {func(c *core.Config, _ *definition) {
			c.Rollout = core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) { panic("boom") })
		}, core.SourceError, "control"},
		"draw": {func(c *core.Config, _ *definition) {
			c.Rollout = core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
				return core.Decision{State: core.Conditional, Choose: func(context.Context) (string, error) { panic("boom") }}, nil
			})
		}, core.SourceError, "control"},
		"tracker": {func(c *core.Config, _ *definition) {
			c.Tracker = core.TrackerFunc(func(context.Context, core.Event) error { panic("boom") })
		}, core.SourceResolved, "red"},
		"publish": {func(c *core.Config, _ *definition) {
			c.OnPublish = func(context.Context, core.Signature) { panic("boom") }
		}, core.SourceResolved, "red"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, c.change)
			trial := l.exp.For(&user{ID: "1"})
			_, err := trial.Run(ctx)
			require.NoError(t, err)
			a := trial.Assign(ctx)
			require.Equal(t, c.source, a.Source)
			require.Equal(t, c.variant, a.Variant)
			require.Equal(t, c.variant != "control", a.Tracked)
			if c.variant == "control" {
				l.nothingStored(a)
			}
			require.EqualValues(t, 1, l.client.Stats().Panics)
			require.Contains(t, l.log.String(), "boom")
			require.Contains(t, l.log.String(), "failure_test.go")
		})
	}
}

func TestPanickingExclusionUnderExclusionFirstHidesTheEntry(t *testing.T) {
	l := newLab(t, nil)
	l.exp.Assign(ctx, &user{ID: "1"})
	first := l.define(func(_ *core.Config, d *definition) {
		d.StickyPolicy = core.ExclusionFirst
		d.Exclusions = []core.Rule[*user]{{If: explode[*user]}}
	})
	a := first.Assign(ctx, &user{ID: "1"})
	require.Equal(t, core.SourceExcluded, a.Source)
	e, _ := l.stands(a)
	require.Equal(t, "red", e.Variant)
}

func TestPanicInABehaviourIsTheAppsAndLeavesStateClean(t *testing.T) {
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Variants[0].Run = func(context.Context, *user) (string, error) { panic("app") }
	})
	require.PanicsWithValue(t, "app", func() { _, _ = l.exp.Run(ctx, &user{ID: "1"}) })
	require.Len(t, l.events.Take(), 1)
	require.Equal(t, core.SourceStored, l.exp.Assign(ctx, &user{ID: "1"}).Source)
	require.Zero(t, l.client.Stats().Panics)
}

func TestBehaviourErrorIsReturnedAsItIs(t *testing.T) {
	broken := errors.New("no paint")
	l := newLab(t, func(_ *core.Config, d *definition) {
		d.Variants[0].Run = func(context.Context, *user) (string, error) { return "half", broken }
	})
	got, err := l.exp.Run(ctx, &user{ID: "1"})
	require.Same(t, broken, err)
	require.Equal(t, "half", got)
}

func TestLostEventsAreCountedAndTrackSaysSo(t *testing.T) {
	l := newLab(t, nil)
	l.events.Err = errors.New("queue full")
	_, err := l.exp.Run(ctx, &user{ID: "1"})
	require.NoError(t, err)
	require.ErrorContains(t, l.exp.Track(ctx, &user{ID: "1"}, core.Event{Action: "clicked"}), "queue full")
	require.EqualValues(t, 2, l.client.Stats().EventsLost)
	require.Equal(t, 1, strings.Count(l.log.String(), "an event was lost"), "one line a minute")
}

func TestErrorsAreLoggedOncePerExperimentAndInterval(t *testing.T) {
	l := newLab(t, nil)
	l.flag.err = errFlag
	for _, u := range users(100) {
		l.exp.Assign(ctx, u)
	}
	require.Equal(t, 1, strings.Count(l.log.String(), errFlag.Error()))
	require.EqualValues(t, 100, l.client.Stats().RolloutErrors)
}

func TestUnitFaultsAreNoUnit(t *testing.T) {
	many := make([]core.Attr, 101)
	for i := range many {
		many[i] = core.Int(fmt.Sprint("a", i), i)
	}
	cases := map[string]struct {
		unit core.Unit
		says string
	}{
		"too many":             {core.NewUnit(many...), "101 attributes"},
		"too many with traits": {core.NewUnit(many[:60]...).Traits(many[:41]...), "101 attributes"},
		"too large":            {core.NewUnit(core.String("bio", strings.Repeat("x", 64<<10))), "at most 65536"},
		"too large a trait":    {core.Actor("1").Traits(core.String("bio", strings.Repeat("x", 64<<10))), "at most 65536"},
		"twice":                {core.NewUnit(core.Int("a", 1), core.Int("a", 2)), `"a" twice`},
		"trait twice":          {core.Actor("1").Traits(core.Int("a", 1), core.Int("a", 2)), `"a" twice`},
		"no name":              {core.NewUnit(core.Int("", 1)), "no name"},
		"trait without name":   {core.Actor("1").Traits(core.Int("", 1)), "no name"},
		"short key":            {core.UnitFromKey("abc"), "32 to 128 hex digits, not 3"},
		"long key":             {core.UnitFromKey(strings.Repeat("a", 129)), "not 129"},
		"key not hex":          {core.UnitFromKey(strings.Repeat("g", 32)), "hex digits only"},
		"sticky to nothing":    {core.Actor("1").StickyTo(), "names no attribute"},
		"sticky to unknown":    {core.Actor("1").StickyTo("project"), `"project"`},
		"bad older identity":   {core.Actor("1").MigratedFrom(core.NewUnit(core.Int("", 1))), "older identity 1"},
		"nine keys": {core.Actor("1").MigratedFrom(core.Actor("2").MigratedFrom(core.Actor("3"))).MigratedWith(core.String("actor", "4")).
			MigratedFrom(core.Actor("5")).MigratedFrom(core.Actor("6")).MigratedFrom(core.Actor("7")).MigratedFrom(core.Actor("8")).
			MigratedFrom(core.Actor("9")).MigratedFrom(core.Actor("10")), "more than 8 keys"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(_ *core.Config, d *definition) { d.Unit = func(*user) core.Unit { return c.unit } })
			a := l.untracked(l.exp, &user{})
			require.Equal(t, core.SourceNoUnit, a.Source)
			require.ErrorContains(t, a.Err, c.says)
			require.NotContains(t, a.Err.Error()+l.log.String(), "xxx", "no attribute value in any message")
			require.Equal(t, 1, strings.Count(l.log.String(), "because of a unit fault"), "one line a minute")
			require.Zero(t, l.store.loads+l.store.writes)
		})
	}
}

func TestLargestUnitIsFine(t *testing.T) {
	attrs := make([]core.Attr, 100)
	for i := range attrs {
		attrs[i] = core.String(fmt.Sprintf("a%02d", i), strings.Repeat("x", 650))
	}
	l := newLab(t, func(_ *core.Config, d *definition) { d.Unit = func(*user) core.Unit { return core.NewUnit(attrs...) } })
	require.Equal(t, "red", l.tracked(l.exp, &user{}).Variant)
}
