package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// sharedTrips is how many round trips a store makes before operations share them.
const sharedTrips = 8

// A gate is a hook that holds up every trip until it is opened, and notes how
// many commands each carries.
type gate struct {
	mu     sync.Mutex
	open   chan struct{}
	held   int
	trips  []int
	broken error // what pipelines end with, instead of answers
}

func (g *gate) pass(cmds ...redis.Cmder) {
	if isHandshake(cmds[0]) {
		return
	}
	g.mu.Lock()
	open := g.open
	g.trips = append(g.trips, len(cmds))
	g.held++
	g.mu.Unlock()
	<-open
	g.mu.Lock()
	g.held--
	g.mu.Unlock()
}

func (g *gate) DialHook(next redis.DialHook) redis.DialHook { return next }

func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		g.pass(cmd)
		return next(ctx, cmd)
	}
}

func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		g.pass(cmds...)
		if g.broken == nil || isHandshake(cmds[0]) {
			return next(ctx, cmds)
		}
		for _, cmd := range cmds {
			cmd.SetErr(g.broken)
		}
		return g.broken
	}
}

// A jam is a store all of whose trips are held up.
type jam struct {
	t      *testing.T
	store  *redisstore.Store
	client *redis.Client
	gate   *gate
	open   func()
	begun  sync.WaitGroup
}

// newJam returns a jam, after prepare has done what has to get through.
func newJam(t *testing.T, timeout time.Duration, prepare func(*jam)) *jam {
	t.Helper()
	o := quiet()
	o.Timeout = timeout
	j := &jam{t: t, gate: &gate{open: make(chan struct{})}}
	close(j.gate.open)
	j.store, j.client = startStore(t, o)
	j.client.AddHook(j.gate)
	j.store.WaitIdle()
	_, err := load(j.store, experiment, key(0)) // connects
	require.NoError(t, err)
	prepare(j)
	held := make(chan struct{})
	j.open = sync.OnceFunc(func() { close(held) })
	t.Cleanup(j.open)
	j.gate.open, j.gate.trips = held, nil
	for i := range sharedTrips {
		j.begun.Go(func() { _, _ = load(j.store, experiment, key(i)) })
	}
	eventually(t, "trips are held up", func() bool {
		j.gate.mu.Lock()
		defer j.gate.mu.Unlock()
		return j.gate.held == sharedTrips
	})
	return j
}

// expect calls fn on a goroutine of its own, which waits for a trip, and fails
// the test if it returns an error.
func (j *jam) expect(fn func() error) {
	j.begun.Go(func() {
		if err := fn(); err != nil {
			j.t.Error(err)
		}
	})
}

// waits returns when n operations wait for a trip.
func (j *jam) waits(n int) {
	j.t.Helper()
	eventually(j.t, fmt.Sprint(n, " operations wait"), func() bool { return j.store.Waiting() == n })
}

// shared opens the gate and returns how many commands each trip after the first
// ones carried.
func (j *jam) shared() []int {
	j.open()
	j.begun.Wait()
	return j.gate.trips[sharedTrips:]
}

func TestOperationsShareATripAndNothingElse(t *testing.T) {
	j := newJam(t, time.Minute, func(j *jam) {
		require.NoError(t, j.store.Save(ctx, "bad", key(1), resolved("red")))
		bucket, _ := bucketOf(t, j.client, "bad")
		require.NoError(t, j.client.Set(ctx, bucket, "no hash", 0).Err())
		require.NoError(t, j.store.Save(ctx, "e", "known", resolved("red")))
		require.NoError(t, j.client.ScriptFlush(ctx).Err())
	})
	for i := range 20 {
		j.expect(func() error {
			want := resolved(fmt.Sprint("v", i))
			got, won, err := j.store.Claim(ctx, "e", fmt.Sprint("k", i), core.Entry{}, want)
			if err == nil && (got != want || !won) {
				err = fmt.Errorf("claimed %v, got %v, won %v", want, got, won)
			}
			return err
		})
		j.expect(func() error {
			e, err := load(j.store, "e", "known")
			if err == nil && e != resolved("red") {
				err = fmt.Errorf("got %v", e)
			}
			return err
		})
	}
	j.expect(func() error {
		page := []core.Lookup{{Experiment: "e", Key: "known"}, {Experiment: "f", Key: "known"}}
		err := j.store.Load(ctx, page)
		if page[0].Entry != resolved("red") || page[1].Entry != (core.Entry{}) || page[0].Err != nil || page[1].Err != nil {
			return fmt.Errorf("%+v, %w", page, err)
		}
		return err
	})
	j.expect(func() error {
		if _, err := load(j.store, "bad", key(1)); !errors.Is(err, redisstore.ErrUnreadable) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	j.waits(42)
	// One of 43 commands, and one of the claims whose script the server had lost.
	require.Equal(t, []int{43, 20}, j.shared())
	_, err := load(j.store, "e", "known")
	require.NoError(t, err)
	require.Len(t, j.gate.trips, sharedTrips+3, "nobody waits any more")
}

func TestManyOperationsShareSeveralTrips(t *testing.T) {
	j := newJam(t, time.Minute, func(*jam) {})
	for i := range 600 {
		j.expect(func() error { _, err := load(j.store, "e", fmt.Sprint(i)); return err })
	}
	j.waits(600)
	require.ElementsMatch(t, []int{512, 88}, j.shared())
}

func TestWhoLeavesASharedTripTakesNobodyAlong(t *testing.T) {
	j := newJam(t, time.Minute, func(*jam) {})
	gone, leave := context.WithCancel(ctx)
	left := make(chan error)
	go func() {
		_, _, err := j.store.Claim(gone, "e", "k", core.Entry{}, resolved("red"))
		left <- err
	}()
	j.waits(1)
	j.expect(func() error { _, err := load(j.store, "e", "other"); return err })
	j.waits(2)
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	require.Equal(t, []int{2}, j.shared()[:1])
	require.Zero(t, j.store.Stats().Failures)
}

func TestWhoWaitsLeavesAtTheTimeout(t *testing.T) {
	j := newJam(t, 100*time.Millisecond, func(*jam) {})
	var late sync.WaitGroup
	for i := range 20 {
		late.Go(func() {
			if _, err := load(j.store, "e", fmt.Sprint(i)); !errors.Is(err, redisstore.ErrTimeout) {
				t.Errorf("got %v", err)
			}
		})
	}
	late.Wait()
	require.EqualValues(t, 20, j.store.Stats().Timeouts)
	require.Zero(t, j.store.Stats().Opened, "Redis was not asked")
	j.open()
	j.begun.Wait()
}

func TestWhoWaitsLeavesAtClose(t *testing.T) {
	j := newJam(t, time.Minute, func(*jam) {})
	left := make(chan error)
	go func() { _, err := load(j.store, "e", "k"); left <- err }()
	j.waits(1)
	began := time.Now()
	closed := make(chan error)
	go func() { closed <- j.store.Close() }()
	require.ErrorIs(t, <-left, redisstore.ErrClosed)
	j.open()
	require.NoError(t, <-closed)
	j.gate.mu.Lock()
	held := j.gate.held
	j.gate.mu.Unlock()
	if time.Since(began) < time.Second { // which is how long Close waits
		require.Zero(t, held, "trips under way")
	}
	j.begun.Wait()
	require.NoError(t, j.store.Close(), "twice")
}

func TestATripThatFailsIsOneFailure(t *testing.T) {
	j := newJam(t, time.Minute, func(*jam) {})
	j.gate.broken = io.ErrUnexpectedEOF // a connection that breaks under a pipeline
	fails := func(fn func() error) {
		j.expect(func() error {
			if err := fn(); !errors.Is(err, io.ErrUnexpectedEOF) {
				return fmt.Errorf("got %w", err)
			}
			return nil
		})
	}
	for i := range 10 {
		fails(func() error { _, err := load(j.store, "e", fmt.Sprint(i)); return err })
		fails(func() error { return j.store.Save(ctx, "e", fmt.Sprint(i), resolved("red")) })
	}
	j.waits(20)
	require.Equal(t, []int{20}, j.shared())
	require.EqualValues(t, 20, j.store.Stats().Failures)
	require.Zero(t, j.store.Stats().Opened, "one connection is not Redis")

	page := func() error {
		return j.store.Load(ctx, []core.Lookup{{Experiment: "e", Key: "1"}, {Experiment: "f", Key: "1"}, {Experiment: "g", Key: "1"}})
	}
	require.ErrorIs(t, page(), io.ErrUnexpectedEOF)
	require.Zero(t, j.store.Stats().Opened, "nor is that of a page")
	for range 3 {
		_ = page()
	}
	require.EqualValues(t, 1, j.store.Stats().Opened, "but so many trips in a row are")
}

// panicking is a hook that somebody else wrote.
type panicking struct{}

func (panicking) DialHook(next redis.DialHook) redis.DialHook { return next }

func (panicking) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { panic("hook") }
}

func (panicking) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { panic("hook") }
}

func TestAHookThatPanicsEndsNothing(t *testing.T) {
	client := newClient(redistest.Start(t).Addr)
	client.AddHook(panicking{})
	store := newStore(t, client, quiet())
	e, err := load(store, experiment, key(1))
	require.ErrorContains(t, err, "panicked")
	require.Zero(t, e)
	require.ErrorContains(t, store.Delete(ctx, experiment, key(1), key(2)), "panicked")
}

// silent is a hook that answers without asking.
type silent struct{ panicking }

func (silent) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { return nil }
}

func TestAnAnswerThatIsNoneIsNoAbsence(t *testing.T) {
	client := newClient(redistest.Start(t).Addr)
	client.AddHook(silent{})
	store := newStore(t, client, quiet())
	_, err := load(store, experiment, key(1))
	require.ErrorIs(t, err, redisstore.ErrUnreadable)
	_, _, err = store.Claim(ctx, experiment, key(1), core.Entry{}, resolved("red"))
	require.ErrorIs(t, err, redisstore.ErrUnreadable)
}
