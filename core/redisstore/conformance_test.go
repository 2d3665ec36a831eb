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

func TestConformanceRedis(t *testing.T) {
	runConformance(t, "redis", func(addr string) redis.UniversalClient { return newClient(addr) },
		func(t *testing.T) string { return redistest.Start(t).Addr })
}

func TestConformanceRedisCluster(t *testing.T) {
	cluster := sync.OnceValue(func() *redistest.Cluster { return redistest.StartCluster(t, 3, false) })
	runConformance(t, "redis-cluster", newClusterClient, func(t *testing.T) string {
		for _, s := range cluster().Masters {
			require.NoError(t, s.Client().FlushAll(ctx).Err())
		}
		return strings.Join(cluster().Addrs(), ",")
	}, "--cluster-enabled", "yes")
}

func TestConformanceRedisSentinel(t *testing.T) {
	set := sync.OnceValue(func() *redistest.Sentinel { return redistest.StartSentinel(t) })
	connect := func(addrs string) redis.UniversalClient {
		return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: redistest.MasterName,
			SentinelAddrs: strings.Split(addrs, ","), ContextTimeoutEnabled: true})
	}
	runConformance(t, "redis-sentinel", connect, func(t *testing.T) string {
		require.NoError(t, set().Master.Client().FlushAll(ctx).Err())
		return strings.Join(set().Addrs(), ",")
	})
}

// runConformance runs the suite over the empty servers whose addresses start
// returns. args are those of servers that are lost.
func runConformance(t *testing.T, name string, connect func(addrs string) redis.UniversalClient, start func(*testing.T) string, args ...string) {
	t.Helper()
	realserver.Require(t, "redis", nil)
	t.Parallel()
	type under struct {
		addr   string
		client redis.UniversalClient
		hook   *between
	}
	var made sync.Map // what is under each store
	of := func(s core.Store) under {
		u, _ := made.Load(s)
		return u.(under)
	}
	open := func(t *testing.T, addr string, o *redisstore.Options) core.Store {
		u := under{addr, connect(addr), &between{}}
		u.client.AddHook(u.hook)
		store := newStore(t, u.client, o)
		made.Store(store, u)
		return store
	}
	conformance.RunStore(t, conformance.StoreHarness{
		Name:    name,
		New:     func(t *testing.T) core.Store { return open(t, start(t), quiet()) },
		Address: func(_ *testing.T, s core.Store) string { return of(s).addr },
		Join:    func(t *testing.T, addr string) core.Store { return open(t, addr, quiet()) },
		Corrupt: func(t *testing.T, s core.Store, experiment, key string) {
			require.NoError(t, s.Save(ctx, experiment, key, resolved("red")))
			bucket, field := bucketOf(t, of(s).client, experiment)
			require.NoError(t, of(s).client.HSet(ctx, bucket, field, "\x00").Err())
		},
		Between: func(_ *testing.T, s core.Store, write func()) func() bool {
			called := false
			f := func() { called = true; write() }
			of(s).hook.write.Store(&f)
			return func() bool {
				of(s).hook.write.Store(nil)
				return called
			}
		},
		Blocked: func(t *testing.T) core.Store {
			server := redistest.Start(t, args...)
			server.Stop()
			return open(t, server.Addr, impatient())
		},
		Down: func(t *testing.T) core.Store {
			server := redistest.Start(t, args...)
			server.Kill()
			return open(t, server.Addr, impatient())
		},
		Expiring: func(t *testing.T) (core.Store, time.Duration, func(time.Duration)) {
			o := quiet()
			o.TTL = time.Second
			return open(t, start(t), o), o.TTL, time.Sleep
		},
	})
}

// between is a hook that lets another write before the next claim.
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
