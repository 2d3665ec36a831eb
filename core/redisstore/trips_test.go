package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// quietClient sends nothing of its own once it is connected.
func quietClient(t *testing.T, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true, Protocol: 2, PipelinePoolSize: -1, PoolSize: 1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRoundTrips(t *testing.T) {
	for _, layout := range []redisstore.Layout{redisstore.BucketLayout, redisstore.GLEXLayout} {
		t.Run(fmt.Sprint("layout ", layout), func(t *testing.T) {
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server.Addr)
			o := quiet()
			o.Layout = layout
			store := redisstore.New(quietClient(t, proxy.Addr), o)
			defer store.Close()
			trips := func(what string, want int, op func()) {
				t.Helper()
				before := proxy.RoundTrips()
				op()
				require.EqualValues(t, want, proxy.RoundTrips()-before, what)
			}
			load := func(key string, older ...string) (string, bool) {
				e, _, ok, err := store.Load(ctx, experiment, key, older)
				require.NoError(t, err)
				return e.Variant, ok
			}
			claim := func(key string) {
				_, err := store.Claim(ctx, experiment, key, core.Entry{}, resolved("red"))
				require.NoError(t, err)
			}
			store.Checked()
			claim(key(0)) // the server learns the script
			load(key(8), key(0))
			_, err := store.Increment(ctx, experiment, "n", 1)
			require.NoError(t, err)

			trips("first assignment", 2, func() { load(key(1)); claim(key(1)) })
			trips("hit", 1, func() { load(key(1)) })
			trips("claim that loses", 1, func() { claim(key(1)) })
			trips("hit with older keys", 1, func() { load(key(1), key(5), key(6)) })
			trips("copy of an older key's entry", 2, func() {
				v, ok := load(key(2), key(5), key(1))
				require.True(t, ok)
				require.Equal(t, "red", v)
			})
			trips("save", 1, func() { require.NoError(t, store.Save(ctx, experiment, key(3), resolved("blue"))) })
			trips("delete", 1, func() { require.NoError(t, store.Delete(ctx, experiment, key(3), key(4))) })
			trips("count", 1, func() { _, err = store.Increment(ctx, experiment, "n", 1); require.NoError(t, err) })
			trips("page", 1, func() {
				var page []core.Lookup
				for i := range 10 {
					page = append(page, core.Lookup{Experiment: fmt.Sprint("e", i), Key: key(1)})
				}
				store.LoadBatch(ctx, page)
			})
			trips("page with copies", 2, func() {
				loaded := store.LoadBatch(ctx, []core.Lookup{
					{Experiment: experiment, Key: key(20), Older: []string{key(2)}},
					{Experiment: experiment, Key: key(21), Older: []string{key(8)}},
					{Experiment: experiment, Key: key(22)}})
				require.True(t, loaded[0].OK && loaded[1].OK && !loaded[2].OK)
			})
			// Whoever claims in a bucket that is known takes a shorter way.
			require.NoError(t, store.Save(ctx, experiment, key(30), resolved("red")))
			require.NoError(t, store.Delete(ctx, experiment, key(30)))
			trips("first assignment in a known bucket", 2, func() { load(key(30)); claim(key(30)) })
			require.NoError(t, store.Delete(ctx, experiment, key(30)))
			load(key(30))
			require.NoError(t, store.Save(ctx, experiment, key(30), resolved("blue")))
			e, err := store.Claim(ctx, experiment, key(30), core.Entry{}, resolved("red"))
			require.NoError(t, err)
			require.Equal(t, "blue", e.Variant, "the short way is compare-and-set too")
		})
	}
}

// counting is a hook as tracing has it.
type counting struct{ n atomic.Int64 }

func (h *counting) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}
func (h *counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { h.n.Add(1); return next(ctx, cmd) }
}
func (h *counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { h.n.Add(1); return next(ctx, cmds) }
}

func TestHooksThatWereThereBeforeSeeEveryCommand(t *testing.T) {
	client := redistest.Start(t).Client()
	before, between, after := &counting{}, &counting{}, &counting{}
	client.AddHook(before)
	one := redisstore.New(client, quiet())
	defer one.Close()
	client.AddHook(between)
	two := redisstore.New(client, quiet())
	defer two.Close()
	client.AddHook(after)
	one.Checked()
	two.Checked()
	seen := func(op func()) [3]int64 {
		for _, h := range []*counting{before, between, after} {
			h.n.Store(0)
		}
		op()
		return [3]int64{before.n.Load(), between.n.Load(), after.n.Load()}
	}
	load := func(store *redisstore.Store) func() {
		return func() {
			_, _, _, err := store.Load(ctx, experiment, key(1), nil)
			require.NoError(t, err)
			require.NoError(t, store.LoadBatch(ctx, []core.Lookup{{Experiment: "a", Key: "k"}, {Experiment: "b", Key: "k"}})[1].Err)
		}
	}
	load(one)() // connects
	require.Equal(t, [3]int64{2, 0, 0}, seen(load(one)))
	require.Equal(t, [3]int64{2, 2, 0}, seen(load(two)))
	require.Equal(t, [3]int64{1, 1, 1}, seen(func() { require.NoError(t, client.Set(ctx, "mine", 1, 0).Err()) }))
	require.NoError(t, two.Close())
	require.Equal(t, [3]int64{1, 1, 1}, seen(func() { require.NoError(t, client.Set(ctx, "mine", 1, 0).Err()) }))
}

func TestNearCache(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	o := quiet()
	o.NearTTL = time.Hour
	store := redisstore.New(quietClient(t, proxy.Addr), o)
	defer store.Close()
	store.Checked()
	elsewhere := redisstore.New(server.Client(), quiet())
	defer elsewhere.Close()
	variant := func(k string) string {
		e, _, _, err := store.Load(ctx, experiment, k, nil)
		require.NoError(t, err)
		return e.Variant
	}
	require.NoError(t, elsewhere.Save(ctx, experiment, key(1), resolved("red")))
	require.Equal(t, "red", variant(key(1)))
	before := proxy.RoundTrips()
	require.Equal(t, "red", variant(key(1)))
	require.Equal(t, "red", store.LoadBatch(ctx, []core.Lookup{{Experiment: experiment, Key: key(1)}})[0].Entry.Variant)
	require.Equal(t, before, proxy.RoundTrips())
	require.EqualValues(t, 2, store.Stats().NearHits)
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("blue")))
	require.Equal(t, "blue", variant(key(1)), "a process sees its own writes at once")
	require.NoError(t, store.Delete(ctx, experiment, key(1)))
	require.Empty(t, variant(key(1)))
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("blue")))
	require.NoError(t, store.Clear(ctx, experiment))
	require.Empty(t, variant(key(1)))

	o = quiet()
	o.NearTTL = time.Millisecond
	brief := redisstore.New(server.Client(), o)
	defer brief.Close()
	require.NoError(t, elsewhere.Save(ctx, experiment, key(2), resolved("red")))
	_, _, _, err := brief.Load(ctx, experiment, key(2), nil)
	require.NoError(t, err)
	require.NoError(t, elsewhere.Save(ctx, experiment, key(2), resolved("blue")))
	eventually(t, "a save elsewhere is seen", func() bool {
		e, _, _, err := brief.Load(ctx, experiment, key(2), nil)
		return err == nil && e.Variant == "blue"
	})
}

func TestTTL(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	store := redisstore.New(client, quiet())
	defer store.Close()
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	bucket, field := bucketOf(t, client)
	age := func(by time.Duration, ttl time.Duration) {
		b := make([]byte, 4)
		at := uint32(time.Now().Add(-by).Unix())
		b[0], b[1], b[2], b[3] = byte(at>>24), byte(at>>16), byte(at>>8), byte(at)
		require.NoError(t, client.HSet(ctx, bucket, ".", string(b)+"\nred").Err())
		require.NoError(t, client.Expire(ctx, bucket, ttl).Err())
	}
	load := func() {
		_, _, ok, err := store.Load(ctx, experiment, key(1), nil)
		require.NoError(t, err)
		require.True(t, ok)
	}
	renewed := func() bool { return client.TTL(ctx, bucket).Val() > 179*24*time.Hour }

	age(25*time.Hour, time.Hour)
	load()
	eventually(t, "a read renews", renewed)
	require.Equal(t, "29296", client.HGet(ctx, bucket, field).Val())

	age(23*time.Hour, time.Hour)
	load()
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	require.False(t, renewed(), "once a day")

	age(25*time.Hour, time.Hour)
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	require.True(t, renewed(), "a write renews")

	age(-48*time.Hour, time.Hour)
	load()
	eventually(t, "a clock that was ahead does no harm", renewed)

	require.NoError(t, client.HDel(ctx, bucket, ".").Err())
	require.NoError(t, client.HSet(ctx, bucket, field, "8").Err())
	require.NoError(t, client.Persist(ctx, bucket).Err())
	load()
	eventually(t, "a head that was lost comes back", renewed)

	for _, ttl := range []time.Duration{time.Minute, -1} {
		o := quiet()
		o.TTL, o.Prefix = ttl, fmt.Sprint("p", ttl, ":")
		store := redisstore.New(client, o)
		require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
		keys := client.Keys(ctx, o.Prefix+"*").Val()
		require.Len(t, keys, 1)
		if ttl < 0 {
			require.Equal(t, time.Duration(-1), client.TTL(ctx, keys[0]).Val())
		} else {
			require.LessOrEqual(t, client.TTL(ctx, keys[0]).Val(), ttl)
			require.NoError(t, client.Expire(ctx, keys[0], 10*time.Second).Err())
			_, err := store.Claim(ctx, experiment, key(1), resolved("red"), resolved("blue"))
			require.NoError(t, err)
			require.Greater(t, client.TTL(ctx, keys[0]).Val(), 10*time.Second, "a short TTL is renewed by each write")
		}
		require.NoError(t, store.Close())
	}
}

func TestCheck(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru", "--hash-max-listpack-entries", "128")
	store := redisstore.New(server.Client(), quiet())
	defer store.Close()
	found, err := store.Check(ctx)
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Contains(t, found[0], "noeviction")
	require.Contains(t, found[1], "hash-max-listpack-entries")
	fit := redisstore.New(redistest.Start(t).Client(), quiet())
	defer fit.Close()
	found, err = fit.Check(ctx)
	require.NoError(t, err)
	require.Empty(t, found)
	server.Kill()
	_, err = store.Check(ctx)
	require.Error(t, err)
}

func TestNewClient(t *testing.T) {
	for url, kind := range map[string]redis.UniversalClient{
		"redis://127.0.0.1:7/2":                                         &redis.Client{},
		"unix:///tmp/none.sock":                                         &redis.Client{},
		"redis://127.0.0.1:7?cluster=true":                              &redis.ClusterClient{},
		"redis://127.0.0.1:7?addr=127.0.0.1:8":                          &redis.ClusterClient{},
		"redis://127.0.0.1:7?master_name=main&addr=127.0.0.1:8":         &redis.Client{},
		"rediss://user:pass@127.0.0.1:7?pool_size=3&cluster=false&db=1": &redis.Client{},
	} {
		client, err := redisstore.NewClient(url)
		require.NoError(t, err, url)
		require.IsType(t, kind, client, url)
		require.NoError(t, client.Close())
	}
	for _, url := range []string{"", "localhost:6379", "http://localhost", "redis://u:secret@h:x", "redis://h?cluster=maybe", "redis://u:secret@h?nonsense=1"} {
		_, err := redisstore.NewClient(url)
		require.ErrorContains(t, err, "redisstore: ", url)
		require.NotContains(t, err.Error(), "secret")
	}
}
