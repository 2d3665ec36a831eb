package core_test

// What a failing flag system, store, tracker or behaviour does to a trial.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestRolloutErrorsServeControl(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
	}{
		{"failed", errFlag},
		{"not ready", fmt.Errorf("unleash: %w", core.ErrNotReady)},
		{"absent", fmt.Errorf("unleash: %w", core.ErrFlagNotFound)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, stored := range []core.Entry{{}, resolved} {
				_, a := situation{stored: stored, flagErr: c.err, served: "control error/- untracked"}.try(t)
				require.ErrorIs(t, a.Err, c.err)
				var re *core.RolloutError
				require.ErrorAs(t, a.Err, &re)
				require.Equal(t, "*core_test.flag", re.Provider)
				require.Equal(t, "pill_color", re.Experiment)
			}
		})
	}
}

func TestRolloutErrorOfTheProviderIsNotWrappedTwice(t *testing.T) {
	own := &core.RolloutError{Provider: "mine", Experiment: "pill_color", Err: errFlag}
	_, a := situation{flagErr: own, served: "control error/- untracked"}.try(t)
	require.Same(t, own, a.Err)
	require.EqualError(t, own, "mine: experiment pill_color: flag server says 500")
}

func TestServeStored(t *testing.T) {
	serveStored := func(c *core.Config, _ *definition) { c.OnRolloutError = core.ServeStored }
	tryAll(t, []situation{
		{name: "serves a variant, untracked", change: serveStored, stored: resolved, flagErr: errFlag, served: "red stored/resolved untracked"},
		{name: "has nothing to serve", change: serveStored, flagErr: errFlag, served: "control error/- untracked"},
		{name: "takes an absent flag for no failure", change: serveStored, stored: resolved, flagErr: core.ErrFlagNotFound,
			served: "control error/- untracked"},
		{name: "serves no unknown variant", change: serveStored, stored: unknown, flagErr: errFlag, served: "control error/- untracked"},
		{name: "serves no exclusion", change: serveStored, stored: exclusion, flagErr: errFlag, served: "control error/- untracked"},
		{name: "serves nothing to the excluded under ExclusionFirst", change: all(serveStored, exclusionFirst), stored: resolved,
			who: user{Subscribed: true}, flagErr: errFlag, served: "control error/- untracked"},
		{name: "serves the others under ExclusionFirst", change: all(serveStored, exclusionFirst), stored: resolved,
			flagErr: errFlag, served: "red stored/resolved untracked"},
		{name: "serves the excluded, as what is stored comes first", change: all(serveStored, excludeSubscribed), stored: resolved,
			who: user{Subscribed: true}, flagErr: errFlag, served: "red stored/resolved untracked"},
	})
	l, a := situation{change: serveStored, stored: resolved, flagErr: errFlag, served: "red stored/resolved untracked"}.try(t)
	require.ErrorIs(t, a.Err, errFlag)
	got, err := l.exp.Run(ctx, &user{ID: "1"})
	require.NoError(t, err)
	require.Equal(t, "red!", got)
}

func TestAFailingStoreChangesNoDecisionAndGetsNoMoreWrites(t *testing.T) {
	everything := all(allowForced, stickyExclusions, oldGetBlue)
	draw := draws(func(context.Context) (string, error) { return "red", nil })
	noDraw := draws(func(context.Context) (string, error) { t.Error("drawn"); return "red", nil })
	for _, c := range []struct {
		situation
		writes int
	}{
		{situation{name: "read, resolved", flag: red, served: "red resolved/resolved", loadErr: errStore}, 0},
		{situation{name: "read, segmented", flag: red, who: user{Old: true}, served: "blue segmented/segmented by old", loadErr: errStore}, 0},
		{situation{name: "read, excluded", flag: red, who: user{Subscribed: true},
			served: "control excluded/excluded by subscribed untracked", loadErr: errStore}, 0},
		{situation{name: "read, manual", flag: red, trial: assignTo("blue"), served: "blue manual/manual", loadErr: errStore}, 0},
		{situation{name: "read, forced", flag: red, forced: "blue", served: "blue forced/forced", loadErr: errStore}, 0},
		{situation{name: "read, only assigned", flag: red, trial: onlyAssigned, served: "control unassigned/- untracked", loadErr: errStore}, 0},
		{situation{name: "read, to be drawn, which could not be kept", flag: noDraw, served: "control error/- untracked", loadErr: errStore}, 0},
		{situation{name: "claim, resolved", flag: red, served: "red resolved/resolved", writeErr: errStore}, 1},
		{situation{name: "claim, segmented", flag: noDraw, who: user{Old: true}, served: "blue segmented/segmented by old", writeErr: errStore}, 1},
		{situation{name: "claim, drawn, which can't be kept", flag: draw, served: "control error/- untracked", writeErr: errStore}, 1},
		{situation{name: "claim, ramp", stored: open, flag: red, served: "control stored/resolved", writeErr: errStore}, 1},
		{situation{name: "save", flag: red, trial: assignTo("blue"), served: "blue manual/manual", writeErr: errStore}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.change = everything
			l, a := c.try(t)
			require.True(t, a.Degraded)
			require.ErrorIs(t, a.Err, errStore)
			require.Equal(t, c.writes, l.store.writes)
			require.EqualValues(t, 1, l.client.Stats().Degraded)
		})
	}
}

func TestAStoreThatBreaksItsContractDegrades(t *testing.T) {
	for _, c := range []struct {
		name string
		does func(*spy)
	}{
		{"an entry without a variant", func(s *spy) {
			s.answer = func(_ context.Context, lookups []core.Lookup) error {
				lookups[0].Entry.Origin = core.SourceResolved
				return nil
			}
		}},
		{"an entry that can't be read", func(s *spy) {
			s.answer = func(_ context.Context, lookups []core.Lookup) error {
				lookups[len(lookups)-1].Err = errStore
				return nil
			}
		}},
		{"a claim that leaves nothing", func(s *spy) { s.lostTo = &core.Entry{} }},
		{"a load that ends with its ctx", func(s *spy) {
			s.answer = func(ctx context.Context, _ []core.Lookup) error { <-ctx.Done(); return ctx.Err() }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, func(c *core.Config, _ *definition) { c.PreviousSecrets = secrets[1:2] })
			c.does(l.store)
			short, cancel := context.WithTimeout(ctx, 1)
			defer cancel()
			a := l.exp.Assign(short, &user{ID: "1"})
			serves(t, a, "red resolved/resolved")
			require.True(t, a.Degraded)
			require.Error(t, a.Err)
			require.Equal(t, "blue", l.exp.For(&user{ID: "1"}).AssignTo("blue").Assign(short).Variant)
		})
	}
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

func TestErrorsAreLoggedOncePerExperimentAndMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		l.flag.err = errFlag
		for _, u := range users(100) {
			l.exp.Assign(ctx, u)
		}
		require.Equal(t, 1, strings.Count(l.log.String(), errFlag.Error()))
		require.EqualValues(t, 100, l.client.Stats().RolloutErrors)
		time.Sleep(time.Minute)
		l.exp.Assign(ctx, &user{ID: "1"})
		require.Equal(t, 2, strings.Count(l.log.String(), errFlag.Error()))
	})
}
