package redistest

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestServerAndProxy(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s.Addr)
	connect := func(patience time.Duration) *redis.Client {
		c := redis.NewClient(&redis.Options{Addr: p.Addr, DisableIdentity: true, MaxRetries: -1,
			ReadTimeout: patience, DialerRetries: 1, Protocol: 2})
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	c, hasty := connect(startup), connect(100*time.Millisecond)
	ctx := context.Background()
	require.NoError(t, c.Ping(ctx).Err())

	before := p.RoundTrips()
	require.NoError(t, c.Set(ctx, "a", 1, 0).Err())
	require.EqualValues(t, 1, p.RoundTrips()-before)

	for name, disturb := range map[string]func(){"pause": p.Pause, "black hole": p.BlackHole, "reset": p.Reset,
		"slow": func() { p.Latency(time.Second) }, "stopped": s.Stop} {
		disturb()
		require.Error(t, hasty.Ping(ctx).Err(), name)
		p.Pass()
		s.Cont()
		Wait(t, "after "+name, func() bool { return hasty.Ping(ctx).Err() == nil })
	}
	_ = c.Ping(ctx) // its connection was reset
	require.Equal(t, "1", c.Get(ctx, "a").Val())
	s.Kill()
	require.Error(t, c.Ping(ctx).Err())
	s.Restart()
	Wait(t, "restart", func() bool { return c.Ping(ctx).Err() == nil })
	require.ErrorIs(t, c.Get(ctx, "a").Err(), redis.Nil, "nothing is kept on disk")
}

func TestCluster(t *testing.T) {
	c := StartCluster(t, 3, true)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()})
	defer client.Close()
	require.NoError(t, client.Set(context.Background(), "a", 1, 0).Err())
}

func TestSentinel(t *testing.T) {
	s := StartSentinel(t)
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: MasterName, SentinelAddrs: s.Addrs()})
	defer client.Close()
	require.NoError(t, client.Set(context.Background(), "a", 1, 0).Err())
}
