package redisstore_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// between is a hook that lets another write before the next script runs.
type between struct {
	counting
	write atomic.Pointer[func()]
}

func (h *between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if name := cmd.Name(); name == "evalsha" || name == "hsetnx" {
			if write := h.write.Swap(nil); write != nil {
				(*write)()
			}
		}
		return next(ctx, cmd)
	}
}

// A lab makes the stores that the suite wants, over servers of its own.
type lab struct {
	layout  redisstore.Layout
	connect func(addr string) redis.UniversalClient
	mu      sync.Mutex
	made    map[core.Store]*made
}

type made struct {
	addr   string
	client redis.UniversalClient
	hook   *between
}

func (l *lab) open(t *testing.T, addr string, change func(*redisstore.Options)) core.Store {
	t.Helper()
	o := quiet()
	o.Layout = l.layout
	if change != nil {
		change(o)
	}
	m := &made{addr: addr, client: l.connect(addr), hook: &between{}}
	m.client.AddHook(m.hook)
	store := redisstore.New(m.client, o)
	t.Cleanup(func() {
		require.NoError(t, store.Close())
		require.NoError(t, m.client.Close())
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made[store] = m
	return store
}

func (l *lab) of(s core.Store) *made {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.made[s]
}

func (l *lab) harness(name string, start func(t *testing.T) (addr string), stop, kill func(t *testing.T) string) conformance.StoreHarness {
	h := conformance.StoreHarness{
		Name:    name,
		New:     func(t *testing.T) core.Store { return l.open(t, start(t), nil) },
		Address: func(_ *testing.T, s core.Store) string { return l.of(s).addr },
		Join:    func(t *testing.T, addr string) core.Store { return l.open(t, addr, nil) },
		Corrupt: func(t *testing.T, s core.Store, experiment, key string) {
			require.NoError(t, s.Save(ctx, experiment, key, resolved("red")))
			client := l.of(s).client
			hash, field := experiment, key
			if l.layout == redisstore.BucketLayout {
				hash, field = findField(t, client, experiment)
			}
			require.NoError(t, client.HSet(ctx, hash, field, "\x00").Err())
		},
		Between: func(_ *testing.T, s core.Store, write func()) func() bool {
			called := false
			f := func() { called = true; write() }
			l.of(s).hook.write.Store(&f)
			return func() bool {
				l.of(s).hook.write.Store(nil)
				return called
			}
		},
		Blocked: func(t *testing.T) core.Store { return l.open(t, stop(t), brief) },
		Down:    func(t *testing.T) core.Store { return l.open(t, kill(t), brief) },
		Expiring: func(t *testing.T) (core.Store, time.Duration, func(time.Duration)) {
			const ttl = time.Second
			return l.open(t, start(t), func(o *redisstore.Options) { o.TTL = ttl }), ttl, time.Sleep
		},
	}
	if l.layout == redisstore.GLEXLayout {
		h.Expiring = nil
		h.Unsupported = map[core.Capability]string{
			conformance.WholeEntries: "the gem keeps the variant's name and nothing else",
			conformance.CopiesOlder:  "the gem moves an older key's entry",
			conformance.Expires:      "the gem's hashes have no TTL",
		}
	}
	return h
}

// brief sets the budget back to the default.
func brief(o *redisstore.Options) { o.Budget = 0 }

// findField returns the only assignment there is in the experiment.
func findField(t *testing.T, client redis.UniversalClient, experiment string) (bucket, field string) {
	t.Helper()
	scan := func(ctx context.Context, node *redis.Client) error {
		keys, err := node.Keys(ctx, "rk:"+experiment+":*").Result()
		for _, key := range keys {
			fields, err := node.HKeys(ctx, key).Result()
			if err != nil {
				return err
			}
			for _, f := range fields {
				if f != "." {
					require.Empty(t, field)
					bucket, field = key, f
				}
			}
		}
		return err
	}
	if c, ok := client.(*redis.ClusterClient); ok {
		require.NoError(t, c.ForEachMaster(ctx, scan))
	} else {
		require.NoError(t, scan(ctx, client.(*redis.Client)))
	}
	require.NotEmpty(t, field)
	return bucket, field
}

func newLab(layout redisstore.Layout, connect func(string) redis.UniversalClient) *lab {
	return &lab{layout: layout, connect: connect, made: make(map[core.Store]*made)}
}

// run runs the suite over servers that start returns.
func (l *lab) run(t *testing.T, name string, start func(t *testing.T) string, args ...string) {
	t.Helper()
	realserver.Require(t, "redis", nil)
	lost := func(end func(*redistest.Server)) func(t *testing.T) string {
		return func(t *testing.T) string {
			s := redistest.Start(t, args...)
			end(s)
			return s.Addr
		}
	}
	conformance.RunStore(t, l.harness(name, start, lost((*redistest.Server).Stop), lost((*redistest.Server).Kill)))
}

func single(addr string) redis.UniversalClient { return redis.NewClient(&redis.Options{Addr: addr}) }

func startSingle(t *testing.T) string { return redistest.Start(t).Addr }

func TestConformanceRedis(t *testing.T) {
	newLab(redisstore.BucketLayout, single).run(t, "redis", startSingle)
}

func TestConformanceRedisGLEX(t *testing.T) {
	newLab(redisstore.GLEXLayout, single).run(t, "redis-glex", startSingle)
}

func TestConformanceRedisCluster(t *testing.T) {
	cluster := sync.OnceValue(func() *redistest.Cluster { return redistest.StartCluster(t, 3, false) })
	l := newLab(redisstore.BucketLayout, func(addrs string) redis.UniversalClient {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(addrs, ",")})
	})
	l.run(t, "redis-cluster", func(t *testing.T) string {
		for _, s := range cluster().Masters {
			require.NoError(t, s.Client().FlushAll(ctx).Err())
		}
		return strings.Join(cluster().Addrs(), ",")
	}, "--cluster-enabled", "yes")
}

func TestConformanceRedisSentinel(t *testing.T) {
	set := sync.OnceValue(func() *redistest.Sentinel { return redistest.StartSentinel(t) })
	l := newLab(redisstore.BucketLayout, func(addrs string) redis.UniversalClient {
		return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: redistest.MasterName, SentinelAddrs: strings.Split(addrs, ",")})
	})
	l.run(t, "redis-sentinel", func(t *testing.T) string {
		require.NoError(t, set().Master.Client().FlushAll(ctx).Err())
		return strings.Join(set().Addrs(), ",")
	})
}
