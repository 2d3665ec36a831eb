package redisstore_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// impatient is what a program in production has.
func impatient() *redisstore.Options {
	o := quiet()
	o.Budget = 0
	return o
}

// clients are the ways in which a program can have built its client.
var clients = map[string]func(t *testing.T, addr string) redis.UniversalClient{
	"stock": func(t *testing.T, addr string) redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: addr})
	},
	"own": func(t *testing.T, addr string) redis.UniversalClient {
		c, err := redisstore.NewClient("redis://" + addr)
		require.NoError(t, err)
		return c
	},
	"hostile": func(t *testing.T, addr string) redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: addr, ReadTimeout: -1, WriteTimeout: -1, PoolTimeout: time.Hour,
			MaxRetries: 100, PoolSize: 4, OnConnect: func(context.Context, *redis.Conn) error { return nil }})
	},
}

// eventually waits for what happens in the background; only a hang fails.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	redistest.Wait(t, what, ok)
}

func TestFailuresAreBoundedAndHeal(t *testing.T) {
	for name, connect := range clients {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server.Addr)
			goroutines := runtime.NumGoroutine()
			client := connect(t, proxy.Addr)
			store := redisstore.New(client, impatient())
			eventually(t, "first answer", func() bool {
				return store.Save(ctx, experiment, key(1), resolved("red")) == nil
			})

			proxy.BlackHole()
			failed := 0
			eventually(t, "the circuit opens", func() bool {
				_, _, _, err := store.Load(ctx, experiment, key(2), nil)
				require.Error(t, err, "never a false absence")
				if !errors.Is(err, redisstore.ErrUnavailable) {
					failed++
				}
				return store.Stats().Open > 0
			})
			require.LessOrEqual(t, failed, 3, "one caller pays three times")

			before := store.Stats()
			e, _, ok, err := store.Load(ctx, experiment, key(1), nil)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, resolved("red"), e, "the last known answer")
			_, _, ok, err = store.Load(ctx, experiment, key(2), nil)
			require.False(t, ok)
			require.ErrorIs(t, err, redisstore.ErrUnavailable)
			loaded := store.LoadBatch(ctx, []core.Lookup{{Experiment: experiment, Key: key(1)},
				{Experiment: experiment, Key: key(3), Older: []string{key(1)}}, {Experiment: experiment, Key: key(2)}})
			require.Equal(t, resolved("red"), loaded[0].Entry)
			require.Equal(t, resolved("red"), loaded[1].Entry, "an older key's is better than none")
			require.ErrorIs(t, loaded[2].Err, redisstore.ErrUnavailable)
			after := store.Stats()
			require.EqualValues(t, 5, after.Rejected-before.Rejected)
			require.EqualValues(t, 3, after.LastKnown-before.LastKnown)

			proxy.Pass()
			eventually(t, "the circuits close", func() bool {
				return store.Save(ctx, experiment, key(2), resolved("blue")) == nil && store.Stats().Open == 0
			})
			e, _, ok, err = store.Load(ctx, experiment, key(2), nil)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, "blue", e.Variant)

			proxy.BlackHole()
			for i := range 10 {
				_, _, _, _ = store.Load(ctx, experiment, key(10+i), nil)
			}
			require.NoError(t, store.Close())
			require.NoError(t, client.Close())
			proxy.Reset() // its own goroutines are none of the store's
			eventually(t, "nothing stays running", func() bool { return runtime.NumGoroutine() <= goroutines })
			_, _, _, err = store.Load(ctx, experiment, key(1), nil)
			require.ErrorIs(t, err, redisstore.ErrClosed)
			require.ErrorIs(t, store.Save(ctx, experiment, key(1), resolved("red")), redisstore.ErrClosed)
			require.NoError(t, store.Close(), "twice")
		})
	}
}

func TestFullAndReadOnlyServersStillRead(t *testing.T) {
	for _, c := range []struct {
		name, sick, well string
		args             []any
	}{
		{"full", "maxmemory", "maxmemory", []any{"1", "0"}},
		{"read-only", "min-replicas-to-write", "min-replicas-to-write", []any{"1", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, client := newStore(t, quiet())
			require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
			require.NoError(t, client.ConfigSet(ctx, c.sick, c.args[0].(string)).Err())
			for i := range 10 {
				_, err := store.Claim(ctx, experiment, key(10+i), core.Entry{}, resolved("red"))
				require.Error(t, err)
				e, _, ok, err := store.Load(ctx, experiment, key(1), nil)
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, "red", e.Variant)
				e, _, ok, err = store.Load(ctx, experiment, key(100+i), []string{key(1)})
				require.NoError(t, err, "served although it can't be copied")
				require.True(t, ok)
				require.Equal(t, "red", e.Variant)
			}
			stats := store.Stats()
			require.EqualValues(t, 10, stats.NotCopied)
			require.Equal(t, 1, stats.Open, "of writes alone")
			require.Zero(t, stats.LastKnown)
			require.NoError(t, client.ConfigSet(ctx, c.well, c.args[1].(string)).Err())
			eventually(t, "writes work again", func() bool {
				_, err := store.Claim(ctx, experiment, key(50), core.Entry{}, resolved("red"))
				return err == nil
			})
		})
	}
}

func TestOperationsEndWithTheirContext(t *testing.T) {
	for name, connect := range clients {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			client := connect(t, server.Addr)
			defer client.Close()
			o := quiet()
			o.Budget = time.Hour // the watchdog of go test finds a wait for it
			store := redisstore.New(client, o)
			defer store.Close()
			require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
			server.Stop()
			for _, op := range []func(context.Context) error{
				func(ctx context.Context) error { _, _, _, err := store.Load(ctx, experiment, key(2), nil); return err },
				func(ctx context.Context) error {
					_, err := store.Claim(ctx, experiment, key(2), core.Entry{}, resolved("red"))
					return err
				},
				func(ctx context.Context) error { return store.Save(ctx, experiment, key(2), resolved("red")) },
				func(ctx context.Context) error { return store.Delete(ctx, experiment, key(2), key(3)) },
				func(ctx context.Context) error { return store.Clear(ctx, experiment) },
				func(ctx context.Context) error { _, err := store.Increment(ctx, experiment, "n", 1); return err },
			} {
				short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				err := op(short)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Error(t, op(short), "a ctx that ended is not begun with")
				cancel()
			}
			require.Zero(t, store.Stats().Open, "an impatient caller is no outage")
			server.Cont()
		})
	}
}

func TestAStoreWithoutRedisOrClient(t *testing.T) {
	for name, client := range map[string]redis.UniversalClient{"none": nil, "nil": (*redis.Client)(nil),
		"nil cluster": (*redis.ClusterClient)(nil)} {
		t.Run(name, func(t *testing.T) {
			store := redisstore.New(client, nil)
			_, _, ok, err := store.Load(ctx, experiment, key(1), nil)
			require.Error(t, err)
			require.False(t, ok)
			_, _, _, err = store.Load(ctx, experiment, key(1), []string{key(2)})
			require.Error(t, err)
			require.Error(t, store.LoadBatch(ctx, []core.Lookup{{Experiment: experiment, Key: key(1)}})[0].Err)
			require.Error(t, store.Clear(ctx, experiment))
			require.NoError(t, store.Close())
		})
	}
}

// panicking is a hook that somebody else wrote.
type panicking struct{ redis.Hook }

func (panicking) DialHook(next redis.DialHook) redis.DialHook { return next }
func (panicking) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { panic("hook") }
}
func (panicking) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { panic("hook") }
}

func TestAHookThatPanicsEndsNothing(t *testing.T) {
	client := redistest.Start(t).Client()
	client.AddHook(panicking{})
	store := redisstore.New(client, quiet())
	defer store.Close()
	_, _, ok, err := store.Load(ctx, experiment, key(1), nil)
	require.ErrorContains(t, err, "panicked")
	require.False(t, ok)
	require.ErrorContains(t, store.Delete(ctx, experiment, key(1), key(2)), "panicked")
}

// silent is a hook that answers without asking.
type silent struct{ panicking }

func (silent) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { return nil }
}

func TestAnAnswerThatIsNoneIsNoAbsence(t *testing.T) {
	client := redistest.Start(t).Client()
	client.AddHook(silent{})
	store := redisstore.New(client, quiet())
	defer store.Close()
	_, _, ok, err := store.Load(ctx, experiment, key(1), nil)
	require.ErrorIs(t, err, redisstore.ErrUnreadable)
	require.False(t, ok)
	_, err = store.Claim(ctx, experiment, key(1), core.Entry{}, resolved("red"))
	require.ErrorIs(t, err, redisstore.ErrUnreadable)
}

func TestErrorsSayWhatAndWhere(t *testing.T) {
	store, client := newStore(t, quiet())
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	bucket, _ := bucketOf(t, client)
	require.NoError(t, client.Set(ctx, bucket, "text", 0).Err())
	_, _, _, err := store.Load(ctx, experiment, key(1), nil)
	require.ErrorContains(t, err, experiment)
	require.ErrorContains(t, err, "WRONGTYPE")
	require.False(t, strings.Contains(err.Error(), key(1)), "keys stay out of logs")
}
