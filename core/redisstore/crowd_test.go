package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// A gate is a hook that holds up every trip until it is opened, and counts.
type gate struct {
	mu       sync.Mutex
	open     chan struct{}
	held     int
	singles  int
	together []int // commands of each pipeline
	broken   error // what pipelines end with, instead of answers
}

func (g *gate) pass(n int) {
	g.mu.Lock()
	open := g.open
	if n == 1 {
		g.singles++
	} else {
		g.together = append(g.together, n)
	}
	g.held++
	g.mu.Unlock()
	<-open
	g.mu.Lock()
	g.held--
	g.mu.Unlock()
}

// close holds up trips from now on, and forgets what was counted.
func (g *gate) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	held := make(chan struct{})
	g.open, g.singles, g.together = held, 0, nil
	return sync.OnceFunc(func() { close(held) })
}

func (g *gate) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		g.pass(1)
		return next(ctx, cmd)
	}
}

func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		g.pass(len(cmds))
		if g.broken == nil {
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
	store  *Store
	client *redis.Client
	gate   *gate
	open   func()
	begun  sync.WaitGroup
}

const jamTrips = 2

func newJam(t *testing.T) *jam {
	j := &jam{t: t, client: redistest.Start(t).Client(), gate: &gate{}}
	j.gate.close()()
	j.client.AddHook(j.gate)
	j.store = New(j.client, &Options{MaxTrips: jamTrips, Budget: time.Minute, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	t.Cleanup(func() { _ = j.store.Close() })
	_, err := j.store.Check(t.Context())
	require.NoError(t, err)
	j.store.tasks.Wait() // the check at start
	return j
}

// stop holds up as many trips as there may be.
func (j *jam) stop() {
	j.open = j.gate.close()
	j.t.Cleanup(j.open)
	for i := range jamTrips {
		j.do(func() error { return j.load(fmt.Sprint("first", i)) })
	}
	redistest.Wait(j.t, "trips that are held up", func() bool {
		j.gate.mu.Lock()
		defer j.gate.mu.Unlock()
		return j.gate.held == jamTrips
	})
}

func (j *jam) load(key string) error {
	_, _, _, err := j.store.Load(j.t.Context(), "e", key, nil)
	return err
}

// do calls fn on a goroutine of its own and expects no error.
func (j *jam) do(fn func() error) {
	j.begun.Go(func() {
		if err := fn(); err != nil {
			j.t.Error(err)
		}
	})
}

// waits returns when n calls wait for a trip.
func (j *jam) waits(n int) {
	redistest.Wait(j.t, fmt.Sprint(n, " calls that wait"), func() bool {
		w := &j.store.run.crowd
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.waiting) == n
	})
}

func TestACrowdTravelsTogether(t *testing.T) {
	j := newJam(t)
	red := core.Entry{Variant: "red", Origin: core.SourceManual, Final: true}
	require.NoError(t, j.store.Save(t.Context(), "e", "known", red))
	bad := j.store.place("bad", "k")
	require.NoError(t, j.client.Set(t.Context(), bad.key, "no hash", 0).Err())
	require.NoError(t, j.client.ScriptFlush(t.Context()).Err())
	j.stop()
	for i := range 20 {
		j.do(func() error { // each its own answer
			e, err := j.store.Claim(t.Context(), "e", fmt.Sprint("k", i), core.Entry{}, core.Entry{
				Variant: fmt.Sprint("v", i), Origin: core.SourceManual, Final: true})
			if want := fmt.Sprint("v", i); err == nil && e.Variant != want {
				err = fmt.Errorf("got %q, want %q", e.Variant, want)
			}
			return err
		})
		j.do(func() error {
			e, _, ok, err := j.store.Load(t.Context(), "e", "known", nil)
			if err == nil && (!ok || e != red) {
				err = fmt.Errorf("got %v, %+v", ok, e)
			}
			return err
		})
	}
	j.do(func() error { // a page
		loaded := j.store.LoadBatch(t.Context(), []core.Lookup{{Experiment: "e", Key: "known"}, {Experiment: "f", Key: "known"}})
		if !loaded[0].OK || loaded[1].OK || loaded[0].Err != nil || loaded[1].Err != nil {
			return fmt.Errorf("%+v", loaded)
		}
		return nil
	})
	j.do(func() error { // what is wrong with one is nobody else's
		if _, _, ok, err := j.store.Load(t.Context(), "bad", "k", nil); ok || !errors.Is(err, ErrUnreadable) {
			return fmt.Errorf("got %v, %w", ok, err)
		}
		return nil
	})
	j.waits(42)
	j.open()
	j.begun.Wait()
	require.Equal(t, jamTrips, j.gate.singles)
	// One of 43 commands, and one of the claims whose script the server had lost.
	require.Equal(t, []int{43, 20}, j.gate.together)
	require.Zero(t, j.store.Stats().GivenUp)
	require.NoError(t, j.load("known"), "nobody waits any more")
	require.Equal(t, jamTrips+1, j.gate.singles)
	require.Zero(t, j.store.run.crowd.trips)
}

func TestALargeCrowdTravelsInParts(t *testing.T) {
	j := newJam(t)
	j.stop()
	for i := range maxTogether + 88 {
		j.do(func() error { return j.load(fmt.Sprint("k", i)) })
	}
	j.waits(maxTogether + 88)
	j.open()
	j.begun.Wait()
	require.ElementsMatch(t, []int{maxTogether, 88}, j.gate.together)
}

// leaving is a hook that ends the goroutine, as t.FailNow in a mock does.
type leaving struct{ redis.Hook }

func (leaving) DialHook(next redis.DialHook) redis.DialHook { return next }
func (leaving) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { runtime.Goexit(); return nil }
}
func (leaving) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { runtime.Goexit(); return nil }
}

func TestAHookThatEndsGoroutinesTakesNoTripsAway(t *testing.T) {
	j := newJam(t)
	j.client.AddHook(leaving{}) // added after the store of j, whose calls pass it by
	s := New(j.client, &Options{MaxTrips: 1, Budget: 100 * time.Millisecond, CacheSize: -1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	defer s.Close()
	for range 5 {
		j.begun.Go(func() { _, _, _, _ = s.Load(context.Background(), "e", "k", nil) })
	}
	j.begun.Wait()
	redistest.Wait(t, "the end of all trips", func() bool {
		s.run.crowd.mu.Lock()
		defer s.run.crowd.mu.Unlock()
		return s.run.crowd.trips == 0
	})
}

func TestWhoWaitsForATripMayLeave(t *testing.T) {
	j := newJam(t)
	j.stop()
	gone, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := j.store.Claim(gone, "e", "k", core.Entry{}, core.Entry{Variant: "red", Final: true})
		left <- err
	}()
	j.waits(1)
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	require.Equal(t, 1, j.store.Stats().GivenUp)
	j.do(func() error { return j.load("other") })
	j.waits(2)
	j.open()
	j.begun.Wait()
	require.Zero(t, j.store.Stats().GivenUp)
	_, _, ok, err := j.store.Load(t.Context(), "e", "k", nil)
	require.NoError(t, err)
	require.False(t, ok, "what was given up before it was sent is not sent")
}

func TestWhoWaitsForATripLeavesAtClose(t *testing.T) {
	j := newJam(t)
	j.stop()
	left := make(chan error, 1)
	go func() { left <- j.load("k") }()
	j.waits(1)
	require.NoError(t, j.store.Close())
	require.ErrorIs(t, <-left, ErrClosed)
	j.open()
	j.begun.Wait()
}

func TestEachOperationMayTakeATripOfItsOwn(t *testing.T) {
	client, g := redistest.Start(t).Client(), &gate{}
	g.close()()
	client.AddHook(g)
	s := New(client, &Options{MaxTrips: -1, Budget: time.Minute, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	defer s.Close()
	s.tasks.Wait()
	open := g.close()
	var begun sync.WaitGroup
	for i := range 3 * DefaultMaxTrips {
		begun.Go(func() { _, _, _, _ = s.Load(t.Context(), "e", fmt.Sprint(i), nil) })
	}
	redistest.Wait(t, "trips", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.held == 3*DefaultMaxTrips
	})
	open()
	begun.Wait()
	require.Empty(t, g.together)
}

func TestATripThatFailsIsOneFailure(t *testing.T) {
	j := newJam(t)
	j.gate.broken = io.ErrUnexpectedEOF // a connection that breaks under a pipeline
	j.stop()
	red := core.Entry{Variant: "red", Final: true}
	var failed sync.WaitGroup
	expect := func(fn func() error) {
		failed.Go(func() {
			if err := fn(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v", err)
			}
		})
	}
	for i := range 10 {
		expect(func() error { return j.load(fmt.Sprint(i)) })
		expect(func() error { return j.store.Save(t.Context(), "e", fmt.Sprint(i), red) })
	}
	j.waits(20)
	j.open()
	failed.Wait()
	j.begun.Wait()
	require.Equal(t, []int{20}, j.gate.together)
	stats := j.store.Stats()
	require.EqualValues(t, 20, stats.Failures)
	require.Zero(t, stats.Opened, "one connection is not Redis")

	page := []core.Lookup{{Experiment: "e", Key: "1"}, {Experiment: "f", Key: "1"}, {Experiment: "g", Key: "1"}}
	for _, l := range j.store.LoadBatch(t.Context(), page) {
		require.ErrorIs(t, l.Err, io.ErrUnexpectedEOF)
	}
	require.Zero(t, j.store.Stats().Opened, "nor is that of a page")
	for range tripAfter {
		_ = j.store.LoadBatch(t.Context(), page)
	}
	require.EqualValues(t, 1, j.store.Stats().Opened, "but so many trips in a row are")
}

func TestThoseWhoWaitForOneTripTimeOutAsOne(t *testing.T) {
	j := newJam(t)
	j.stop()
	j.store.opts.Budget = DefaultBudget // of those who come now
	var late sync.WaitGroup
	for i := range 20 {
		late.Go(func() {
			if err := j.load(fmt.Sprint(i)); !errors.Is(err, ErrTimeout) {
				t.Errorf("got %v", err)
			}
		})
	}
	late.Wait()
	require.Zero(t, j.store.Stats().Opened)
	j.open()
	j.begun.Wait()
}

func TestCloseWaitsForTripsOfACrowd(t *testing.T) {
	j := newJam(t)
	j.stop()
	first := j.open
	left := make(chan error, 2)
	for i := range 2 {
		go func() { left <- j.load(fmt.Sprint(i)) }()
	}
	j.waits(2)
	second := j.gate.close()
	t.Cleanup(second)
	first()
	j.begun.Wait()
	redistest.Wait(t, "the pipeline", func() bool {
		j.gate.mu.Lock()
		defer j.gate.mu.Unlock()
		return len(j.gate.together) == 1
	})
	j.store.run.close()
	ended := make(chan int, 1)
	go func() {
		j.store.run.ended.Wait()
		j.gate.mu.Lock()
		defer j.gate.mu.Unlock()
		ended <- j.gate.held
	}()
	for range 2 {
		require.ErrorIs(t, <-left, ErrClosed)
	}
	second()
	require.Zero(t, <-ended, "trips under way")
	require.Zero(t, j.store.Stats().GivenUp)
}
