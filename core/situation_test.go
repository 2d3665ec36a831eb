package core_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// A situation is one trial of the user "1" that runs, tracks a click and assigns.
type situation struct {
	name   string
	change change
	stored core.Entry // before
	flag   core.Decision
	who    user   // what it is beside its ID
	forced string // by WithForced
	trial  func(*core.Trial[*user, string])
	served string
	after  core.Entry // stored afterwards; the zero entry says the same as before

	flagErr, loadErr, writeErr error
}

// try checks what the trial serves, that events are sent if and only if it is
// tracked, and what is stored afterwards.
func (s situation) try(t *testing.T) (*lab, core.Assignment) {
	t.Helper()
	l, u := newLab(t, s.change), &s.who
	u.ID = "1"
	if s.stored != (core.Entry{}) {
		l.seed(u, s.stored)
	}
	l.flag.d, l.flag.err, l.store.loadErr, l.store.writeErr = s.flag, s.flagErr, s.loadErr, s.writeErr
	at := ctx
	if s.forced != "" {
		at = core.WithForced(ctx, "pill_color", s.forced)
	}
	trial := l.exp.For(u)
	if s.trial != nil {
		s.trial(trial)
	}
	_, err := trial.Run(at)
	require.NoError(t, err)
	require.NoError(t, trial.Track(at, clicked))
	a := trial.Assign(at)
	serves(t, a, s.served)
	events := l.events.Take()
	require.Len(t, events, map[bool]int{true: 2}[a.Tracked])
	for i, e := range events {
		require.Equal(t, []string{"assignment", "clicked"}[i], e.Action)
		require.Equal(t, a.Degraded, e.Degraded)
	}
	require.Equal(t, a.Source == core.SourceExcluded || a.Source == core.SourceUnassigned, a.Excluded)
	if s.after == (core.Entry{}) {
		s.after = s.stored
	}
	require.Equal(t, s.after, l.stored(core.Assignment{Experiment: "pill_color", Key: key(u)}))
	return l, a
}

func tryAll(t *testing.T, situations []situation) {
	t.Helper()
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) { s.try(t) })
	}
}

func decision(s core.State, variant string) core.Decision {
	return core.Decision{State: s, Variant: variant}
}

var (
	red     = decision(core.Conditional, "red")
	control = decision(core.Conditional, "")
	outside = core.Decision{State: core.Conditional, Variant: "red", Outside: true}
)

// draws is a decision that choose makes.
func draws(choose func(context.Context) (string, error)) core.Decision {
	return core.Decision{State: core.Conditional, Choose: choose}
}

func assignTo(variant string) func(*core.Trial[*user, string]) {
	return func(t *core.Trial[*user, string]) { t.AssignTo(variant) }
}

func onlyAssigned(t *core.Trial[*user, string]) { t.OnlyAssigned() }
func exclude(t *core.Trial[*user, string])      { t.Exclude() }
