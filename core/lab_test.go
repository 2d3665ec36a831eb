package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
)

// user is the subject of most tests.
type user struct {
	ID                   string
	Subscribed, Old, VIP bool
}

type (
	definition = core.Definition[*user, string]
	experiment = core.Experiment[*user, string]
	variant    = core.Variant[*user, string]
)

// A flag is a rollout that tests program: it answers with d and err and counts.
type flag struct {
	mu    sync.Mutex
	d     core.Decision
	err   error
	asked int
	last  core.Request
}

func (f *flag) Resolve(_ context.Context, r core.Request) (core.Decision, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	f.last = r
	return f.d, f.err
}

func (f *flag) set(s core.State, variant string) {
	f.d, f.err = core.Decision{State: s, Variant: variant}, nil
}

// A flaky is a store whose operations fail or panic on demand, and which counts
// writes. Load fails with loadErr, the writes with writeErr.
type flaky struct {
	core.Store
	mu                sync.Mutex
	loadErr, writeErr error
	panics            bool
	loads, writes     int
	beforeClaim       func()
}

func (s *flaky) Load(ctx context.Context, experiment, key string, older []string) (core.Entry, []string, bool, error) {
	s.mu.Lock()
	s.loads++
	err, panics := s.loadErr, s.panics
	s.mu.Unlock()
	if panics {
		panic("store is broken")
	}
	if err != nil {
		return core.Entry{}, nil, false, err
	}
	return s.Store.Load(ctx, experiment, key, older)
}

func (s *flaky) write() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.panics {
		panic("store is broken")
	}
	return s.writeErr
}

func (s *flaky) Claim(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
	if s.beforeClaim != nil {
		fn := s.beforeClaim
		s.beforeClaim = nil
		fn()
	}
	if err := s.write(); err != nil {
		return core.Entry{}, err
	}
	return s.Store.Claim(ctx, experiment, key, old, e)
}

func (s *flaky) Save(ctx context.Context, experiment, key string, e core.Entry) error {
	if err := s.write(); err != nil {
		return err
	}
	return s.Store.Save(ctx, experiment, key, e)
}

func (s *flaky) Delete(ctx context.Context, experiment string, keys ...string) error {
	if err := s.write(); err != nil {
		return err
	}
	return s.Store.Delete(ctx, experiment, keys...)
}

func (s *flaky) Clear(ctx context.Context, experiment string) error {
	if err := s.write(); err != nil {
		return err
	}
	return s.Store.Clear(ctx, experiment)
}

var (
	errStore = errors.New("connection refused")
	errFlag  = errors.New("flag server says 500")
	secret   = []byte("0123456789abcdef0123456789abcdef")
)

// A lab is a client with a programmable flag, a store that can fail, and
// recorders.
type lab struct {
	t      testing.TB
	flag   *flag
	store  *flaky
	events *tracking.Recorder
	log    *bytes.Buffer
	client *core.Client
	exp    *experiment
}

// newLab defines pill_color, with red and blue, after change had its say.
func newLab(t testing.TB, change func(*core.Config, *definition)) *lab {
	l := &lab{t: t, flag: &flag{}, store: &flaky{Store: core.NewMemoryStore(nil)}, events: &tracking.Recorder{}, log: &bytes.Buffer{}}
	l.flag.set(core.Conditional, "red")
	l.exp = l.define(change)
	return l
}

// define makes another client over the same flag, store and tracker, as another
// release of the app would.
func (l *lab) define(change func(*core.Config, *definition)) *experiment {
	cfg := core.Config{Rollout: l.flag, Store: l.store, Tracker: l.events, KeySecret: secret,
		Logger: slog.New(slog.NewTextHandler(l.log, nil))}
	def := definition{
		Name: "pill_color",
		Unit: func(u *user) core.Unit {
			if u == nil {
				return core.Actor("")
			}
			return core.Actor(u.ID)
		},
		Control:  variant{Value: "grey"},
		Variants: []variant{{Name: "red", Value: "red!"}, {Name: "blue", Run: paintBlue}},
	}
	if change != nil {
		change(&cfg, &def)
	}
	client, err := core.New(cfg)
	require.NoError(l.t, err)
	exp, err := core.Define(client, def)
	require.NoError(l.t, err)
	l.client = client
	return exp
}

func paintBlue(_ context.Context, u *user) (string, error) { return "blue for " + u.ID, nil }

// stands returns what is stored for the assignment's key.
func (l *lab) stands(a core.Assignment) (core.Entry, bool) {
	l.t.Helper()
	e, _, ok, err := l.store.Store.Load(context.Background(), a.Experiment, a.Key, nil)
	require.NoError(l.t, err)
	return e, ok
}

func (l *lab) nothingStored(a core.Assignment) {
	l.t.Helper()
	if a.Key == "" {
		require.Zero(l.t, l.store.writes)
		return
	}
	_, ok := l.stands(a)
	require.False(l.t, ok, "nothing may be stored")
}

// untracked checks that the trial sends nothing, neither its own event nor the
// app's.
func (l *lab) untracked(exp *experiment, u *user) core.Assignment {
	l.t.Helper()
	l.events.Take()
	ctx := context.Background()
	_, err := exp.Run(ctx, u)
	require.NoError(l.t, err)
	require.NoError(l.t, exp.Track(ctx, u, core.Event{Action: "clicked"}))
	require.Empty(l.t, l.events.Take())
	a := exp.Assign(ctx, u)
	require.False(l.t, a.Tracked)
	require.Equal(l.t, core.Control, a.Variant)
	return a
}

// tracked checks that Run sends the assignment event and Track the app's.
func (l *lab) tracked(exp *experiment, u *user) core.Assignment {
	l.t.Helper()
	l.events.Take()
	ctx := context.Background()
	_, err := exp.Run(ctx, u)
	require.NoError(l.t, err)
	require.NoError(l.t, exp.Track(ctx, u, core.Event{Action: "clicked"}))
	events := l.events.Take()
	require.Len(l.t, events, 2)
	require.Equal(l.t, "assignment", events[0].Action)
	require.Equal(l.t, "clicked", events[1].Action)
	a := exp.Assign(ctx, u)
	require.True(l.t, a.Tracked)
	return a
}

var ctx = context.Background()

func entry(variant string, origin core.Source) core.Entry {
	return core.Entry{Variant: variant, Origin: origin, Final: true}
}

// seed stores e for the user.
func (l *lab) seed(exp *experiment, u *user, e core.Entry) {
	l.t.Helper()
	key := exp.For(u).OnlyAssigned().Assign(ctx).Key
	require.NoError(l.t, l.store.Store.Save(ctx, exp.Name(), key, e))
}

func users(n int) []*user {
	all := make([]*user, n)
	for i := range all {
		all[i] = &user{ID: fmt.Sprintf("user:%d", i)}
	}
	return all
}

func subscribed(_ context.Context, u *user) bool { return u != nil && u.Subscribed }
func old(_ context.Context, u *user) bool        { return u != nil && u.Old }
func vip(_ context.Context, u *user) bool        { return u != nil && u.VIP }

func excludeSubscribed(_ *core.Config, d *definition) {
	d.Exclusions = []core.Rule[*user]{{Name: "subscribed", If: subscribed}}
}
