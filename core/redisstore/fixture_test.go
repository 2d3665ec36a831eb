package redisstore_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

var ctx = context.Background()

const experiment = "shop_pill_color"

// key returns the i-th unit's key: 64 hex digits, as the core makes them.
func key(i int) string { return fmt.Sprintf("%064x", i) }

func resolved(variant string) core.Entry {
	return core.Entry{Variant: variant, Origin: core.SourceResolved}
}

// open returns an open control.
func open(digits string) core.Entry {
	return core.Entry{Variant: core.Control, Origin: core.SourceResolved, Open: digits}
}

// quiet keeps expected warnings out of the test output. The timeout is that of
// a machine where many tests share two processors; tests of time set their own.
func quiet() *redisstore.Options {
	return &redisstore.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Timeout: 5 * time.Second}
}

// impatient is what a program in production has.
func impatient() *redisstore.Options {
	o := quiet()
	o.Timeout = 0
	return o
}

// newStore returns a store on client, which are both closed with the test.
func newStore(t testing.TB, client redis.UniversalClient, o *redisstore.Options) *redisstore.Store {
	t.Helper()
	store, err := redisstore.New(client, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, store.Close())
		_ = client.Close()
	})
	return store
}

// newClient returns a stock client that looks at deadlines.
func newClient(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
}

// newClusterClient returns a stock client of the cluster at addrs.
func newClusterClient(addrs string) redis.UniversalClient {
	return redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(addrs, ","), ContextTimeoutEnabled: true})
}

// startStore returns a store on a server of its own, and its client.
func startStore(t testing.TB, o *redisstore.Options) (*redisstore.Store, *redis.Client) {
	t.Helper()
	client := newClient(redistest.Start(t).Addr)
	return newStore(t, client, o), client
}

// load looks one entry up.
func load(store core.Store, experiment, key string) (core.Entry, error) {
	l := []core.Lookup{{Experiment: experiment, Key: key}}
	if err := store.Load(ctx, l); err != nil {
		return core.Entry{}, err
	}
	return l[0].Entry, l[0].Err
}

// bucketOf returns the Redis key of the one bucket there is of an experiment, and
// its field for the one assignment in it.
func bucketOf(t *testing.T, client redis.UniversalClient, experiment string) (bucket, field string) {
	t.Helper()
	var mu sync.Mutex
	var buckets []string
	find := func(ctx context.Context, node *redis.Client) error {
		keys, err := node.Keys(ctx, "rk:"+experiment+":*").Result()
		mu.Lock()
		defer mu.Unlock()
		buckets = append(buckets, keys...)
		return err
	}
	if c, ok := client.(*redis.ClusterClient); ok {
		require.NoError(t, c.ForEachMaster(ctx, find))
	} else {
		require.NoError(t, find(ctx, client.(*redis.Client)))
	}
	require.Len(t, buckets, 1)
	fields, err := client.HKeys(ctx, buckets[0]).Result()
	require.NoError(t, err)
	require.Len(t, fields, 2)
	require.Equal(t, ".", fields[0], "the head comes first, where it is found at once")
	return buckets[0], fields[1]
}

// eventually waits for what happens in the background; only a hang fails.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	redistest.Wait(t, what, ok)
}

// isHandshake reports whether a client sends cmd by itself to a new connection.
func isHandshake(cmd redis.Cmder) bool { return cmd.Name() == "hello" || cmd.Name() == "client" }

// counting is a hook as tracing has it, which counts round trips.
type counting struct{ n atomic.Int64 }

func (h *counting) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !isHandshake(cmd) {
			h.n.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (h *counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !isHandshake(cmds[0]) {
			h.n.Add(1)
		}
		return next(ctx, cmds)
	}
}

// callers runs fn total times from n goroutines and returns how long it took.
func callers(n, total int, fn func(i int)) time.Duration {
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range n {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= total; i = int(next.Add(1)) {
				fn(i)
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}
