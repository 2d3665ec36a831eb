package redisstore_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// proxied returns a store that reaches its server through a proxy, which counts
// nothing but what the operations of a test do.
func proxied(t *testing.T, o *redisstore.Options) (*redisstore.Store, *redistest.Server, *redistest.Proxy) {
	t.Helper()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	store := newStore(t, redis.NewClient(&redis.Options{Addr: proxy.Addr, ContextTimeoutEnabled: true,
		DisableIdentity: true, Protocol: 2, PipelinePoolSize: -1, PoolSize: 1}), o)
	store.WaitIdle()
	return store, server, proxy
}

func TestRoundTrips(t *testing.T) {
	store, _, proxy := proxied(t, quiet())
	trips := func(what string, want int, op func() error) {
		t.Run(what, func(t *testing.T) {
			before := proxy.RoundTrips()
			require.NoError(t, op())
			require.EqualValues(t, want, proxy.RoundTrips()-before)
		})
	}
	read := func(key string) error { _, err := load(store, experiment, key); return err }
	claim := func(key, variant string) error {
		_, _, err := store.Claim(ctx, experiment, key, core.Entry{}, resolved(variant))
		return err
	}
	page := make([]core.Lookup, 10)
	for i := range page {
		page[i] = core.Lookup{Experiment: fmt.Sprint("e", i), Key: key(1)}
	}
	trips("script that the server has to learn", 2, func() error { return claim(key(0), "red") })
	trips("first assignment", 2, func() error { _ = read(key(1)); return claim(key(1), "red") })
	trips("hit", 1, func() error { return read(key(1)) })
	trips("claim that loses", 1, func() error { return claim(key(1), "red") })
	trips("claim over an entry", 1, func() error {
		_, won, err := store.Claim(ctx, experiment, key(1), resolved("red"), resolved("blue"))
		require.True(t, won)
		return err
	})
	trips("page", 1, func() error { return store.Load(ctx, page) })
	trips("save", 1, func() error { return store.Save(ctx, experiment, key(3), resolved("blue")) })
	trips("delete", 1, func() error { return store.Delete(ctx, experiment, key(3), key(4)) })
	trips("delete of nothing", 0, func() error { return store.Delete(ctx, experiment) })
	trips("count", 1, func() error { _, err := store.Increment(ctx, experiment, "n", 1); return err })

	// A claim that follows a read in a bucket that is there takes a shorter way.
	trips("first assignment in a known bucket", 2, func() error { _ = read(key(3)); return claim(key(3), "blue") })
	require.NoError(t, store.Delete(ctx, experiment, key(3)))
	require.NoError(t, read(key(3)))
	require.NoError(t, store.Save(ctx, experiment, key(3), resolved("blue")))
	current, won, err := store.Claim(ctx, experiment, key(3), core.Entry{}, resolved("red"))
	require.NoError(t, err)
	require.False(t, won)
	require.Equal(t, resolved("blue"), current, "the shorter way is compare-and-set too")
}

func TestHooksSeeEveryCommand(t *testing.T) {
	client := newClient(redistest.Start(t).Addr)
	before, after := &counting{}, &counting{}
	client.AddHook(before)
	store := newStore(t, client, quiet())
	client.AddHook(after)
	store.WaitIdle()
	_, err := load(store, experiment, key(1))
	require.NoError(t, err) // and connects
	was := [2]int64{before.n.Load(), after.n.Load()}
	_, err = load(store, experiment, key(1))
	require.NoError(t, err)
	require.NoError(t, store.Delete(ctx, experiment, key(1), key(2)))
	require.Equal(t, [2]int64{was[0] + 2, was[1] + 2}, [2]int64{before.n.Load(), after.n.Load()})
}

func TestLocalTTL(t *testing.T) {
	o := quiet()
	o.LocalTTL = time.Hour
	store, server, proxy := proxied(t, o)
	elsewhere := newStore(t, newClient(server.Addr), quiet())
	reads := func(want string) {
		t.Helper()
		e, err := load(store, experiment, key(1))
		require.NoError(t, err)
		require.Equal(t, want, e.Variant)
	}
	require.NoError(t, elsewhere.Save(ctx, experiment, key(1), resolved("red")))
	reads("red")
	before := proxy.RoundTrips()
	reads("red")
	page := []core.Lookup{{Experiment: experiment, Key: key(1)}, {Experiment: experiment, Key: key(1)}}
	require.NoError(t, store.Load(ctx, page))
	require.Equal(t, resolved("red"), page[1].Entry)
	require.Equal(t, before, proxy.RoundTrips())
	require.EqualValues(t, 3, store.Stats().LocalHits)

	require.NoError(t, elsewhere.Save(ctx, experiment, key(1), resolved("green")))
	reads("red")
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("blue")))
	reads("blue") // a process sees its own writes at once
	require.NoError(t, store.Delete(ctx, experiment, key(1)))
	reads("")
	_, _, err := store.Claim(ctx, experiment, key(1), core.Entry{}, resolved("blue"))
	require.NoError(t, err)
	reads("blue")
	require.NoError(t, store.Clear(ctx, experiment))
	reads("")

	o = quiet()
	o.LocalTTL = time.Millisecond
	store = newStore(t, newClient(server.Addr), o)
	require.NoError(t, elsewhere.Save(ctx, experiment, key(1), resolved("red")))
	reads("red")
	require.NoError(t, elsewhere.Save(ctx, experiment, key(1), resolved("blue")))
	eventually(t, "a save elsewhere is seen", func() bool {
		e, err := load(store, experiment, key(1))
		return err == nil && e.Variant == "blue"
	})
}

func TestTTL(t *testing.T) {
	store, client := startStore(t, quiet())
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	bucket, field := bucketOf(t, client, experiment)
	// age makes the bucket one whose TTL was last renewed so long ago.
	age := func(by time.Duration) {
		head := binary.BigEndian.AppendUint32(nil, uint32(time.Now().Add(-by).Unix()))
		require.NoError(t, client.HSet(ctx, bucket, ".", string(head)+"\nred").Err())
		require.NoError(t, client.Expire(ctx, bucket, time.Hour).Err())
	}
	read := func() {
		e, err := load(store, experiment, key(1))
		require.NoError(t, err)
		require.NotZero(t, e)
		store.WaitIdle()
	}
	renewed := func() bool { return client.TTL(ctx, bucket).Val() > 179*24*time.Hour }
	for _, c := range []struct {
		what    string
		age     time.Duration
		renewed bool
	}{
		{"a day old", 24 * time.Hour, true},
		{"less than a day old", 24*time.Hour - time.Minute, false},
		{"ahead by days", -48 * time.Hour, true},
		{"ahead by hours", -time.Hour, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			age(c.age)
			read()
			require.Equal(t, c.renewed, renewed(), "by a read")
			age(c.age)
			require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
			require.Equal(t, c.renewed, renewed(), "by a write")
		})
	}
	require.Equal(t, "29296", client.HGet(ctx, bucket, field).Val())

	t.Run("head that was lost", func(t *testing.T) {
		require.NoError(t, client.HDel(ctx, bucket, ".").Err())
		require.NoError(t, client.HSet(ctx, bucket, field, "8").Err())
		require.NoError(t, client.Persist(ctx, bucket).Err())
		read()
		require.True(t, renewed())
	})

	t.Run("no TTL", func(t *testing.T) {
		o := quiet()
		o.TTL, o.Prefix = -1, "kept:"
		store, err := redisstore.New(client, o)
		require.NoError(t, err)
		defer store.Close()
		require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
		_, err = store.Increment(ctx, experiment, "n", 1)
		require.NoError(t, err)
		keys := client.Keys(ctx, "kept:*").Val()
		require.Len(t, keys, 2)
		for _, key := range keys {
			require.Equal(t, time.Duration(-1), client.TTL(ctx, key).Val())
		}
	})
}
