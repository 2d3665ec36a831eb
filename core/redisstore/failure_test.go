package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
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

// clients are the ways in which a program can have built its client.
var clients = map[string]func(t *testing.T, addr string) redis.UniversalClient{
	"stock": func(t *testing.T, addr string) redis.UniversalClient { return newClient(addr) },
	"own": func(t *testing.T, addr string) redis.UniversalClient {
		c, err := redisstore.NewClient("redis://" + addr)
		require.NoError(t, err)
		return c
	},
	"hostile": func(t *testing.T, addr string) redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, ReadTimeout: -1, WriteTimeout: -1,
			PoolTimeout: time.Hour, MaxRetries: 100, PoolSize: 4})
	},
}

func TestFailuresAreBoundedAndHeal(t *testing.T) {
	for name, connect := range clients {
		t.Run(name, func(t *testing.T) {
			proxy := redistest.NewProxy(t, redistest.Start(t).Addr)
			goroutines := runtime.NumGoroutine()
			client := connect(t, proxy.Addr)
			store := newStore(t, client, impatient())
			saves := func(i int, variant string) {
				eventually(t, "a save", func() bool { return store.Save(ctx, experiment, key(i), resolved(variant)) == nil })
			}
			saves(1, "red")

			proxy.BlackHole()
			failed := 0
			eventually(t, "the circuit opens", func() bool {
				_, err := load(store, experiment, key(2))
				require.Error(t, err, "never a false absence")
				if !errors.Is(err, redisstore.ErrUnavailable) {
					failed++
				}
				return store.Stats().OpenCircuits > 0
			})
			require.LessOrEqual(t, failed, 3, "one caller pays three times")

			before := store.Stats()
			e, err := load(store, experiment, key(1))
			require.NoError(t, err)
			require.Equal(t, resolved("red"), e, "the last known answer")
			_, err = load(store, experiment, key(2))
			require.ErrorIs(t, err, redisstore.ErrUnavailable)
			page := []core.Lookup{{Experiment: experiment, Key: key(1)}, {Experiment: experiment, Key: key(2)}}
			require.NoError(t, store.Load(ctx, page))
			require.Equal(t, resolved("red"), page[0].Entry)
			require.ErrorIs(t, page[1].Err, redisstore.ErrUnavailable)
			after := store.Stats()
			require.EqualValues(t, 4, after.Rejected-before.Rejected)
			require.EqualValues(t, 2, after.StaleReads-before.StaleReads)

			proxy.Pass()
			saves(2, "blue")
			eventually(t, "the circuits close", func() bool { return store.Stats().OpenCircuits == 0 })
			e, err = load(store, experiment, key(2))
			require.NoError(t, err)
			require.Equal(t, resolved("blue"), e)

			proxy.BlackHole()
			for i := range 10 {
				_, _ = load(store, experiment, key(10+i))
			}
			require.NoError(t, store.Close())
			require.NoError(t, client.Close())
			proxy.Reset() // its own goroutines are none of the store's
			eventually(t, "nothing stays running", func() bool { return runtime.NumGoroutine() <= goroutines })
			_, err = load(store, experiment, key(1))
			require.ErrorIs(t, err, redisstore.ErrClosed)
			require.ErrorIs(t, store.Save(ctx, experiment, key(1), resolved("red")), redisstore.ErrClosed)
		})
	}
}

func TestFullAndReadOnlyServersStillRead(t *testing.T) {
	for name, setting := range map[string]string{"full": "maxmemory", "read-only": "min-replicas-to-write"} {
		t.Run(name, func(t *testing.T) {
			store, client := startStore(t, quiet())
			require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
			require.NoError(t, client.ConfigSet(ctx, setting, "1").Err())
			claim := func(i int) error {
				_, _, err := store.Claim(ctx, experiment, key(i), core.Entry{}, resolved("red"))
				return err
			}
			for i := range 10 {
				require.Error(t, claim(10+i))
				e, err := load(store, experiment, key(1))
				require.NoError(t, err)
				require.Equal(t, resolved("red"), e)
			}
			require.Equal(t, 1, store.Stats().OpenCircuits, "of writes alone")
			require.Zero(t, store.Stats().StaleReads)
			require.NoError(t, client.ConfigSet(ctx, setting, "0").Err())
			eventually(t, "writes work again", func() bool { return claim(50) == nil })
		})
	}
}

// operations are all that a store does in Redis.
func operations(store *redisstore.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"load": func(ctx context.Context) error {
			return store.Load(ctx, []core.Lookup{{Experiment: experiment, Key: key(2)}})
		},
		"page": func(ctx context.Context) error {
			return store.Load(ctx, []core.Lookup{{Experiment: experiment, Key: key(2)}, {Experiment: "e", Key: key(2)}})
		},
		"claim": func(ctx context.Context) error {
			_, _, err := store.Claim(ctx, experiment, key(2), core.Entry{}, resolved("red"))
			return err
		},
		"save":   func(ctx context.Context) error { return store.Save(ctx, experiment, key(2), resolved("red")) },
		"delete": func(ctx context.Context) error { return store.Delete(ctx, experiment, key(2), key(3)) },
		"clear":  func(ctx context.Context) error { return store.Clear(ctx, experiment) },
		"count":  func(ctx context.Context) error { _, err := store.Increment(ctx, experiment, "n", 1); return err },
	}
}

func TestOperationsEndWithTheirContext(t *testing.T) {
	for name, connect := range clients {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			o := quiet()
			o.Timeout = time.Hour // the watchdog of go test finds a wait for it
			store := newStore(t, connect(t, server.Addr), o)
			require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
			server.Stop()
			defer server.Cont()
			for what, op := range operations(store) {
				short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				require.ErrorIs(t, op(short), context.DeadlineExceeded, what)
				require.Error(t, op(short), "a ctx that ended is not begun with: %s", what)
				cancel()
			}
			require.Zero(t, store.Stats().OpenCircuits, "an impatient caller is no outage")
		})
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	const units = 1000
	for size, c := range map[int]struct{ least, most int }{-1: {0, 0}, 320: {160, 320}, 0: {units, units}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			o := quiet()
			o.CacheSize = size
			store, client := startStore(t, o)
			want := func(i int) core.Entry { return resolved(fmt.Sprint(i % 7)) }
			callers(16, units, func(i int) {
				if err := store.Save(ctx, experiment, key(i), want(i)); err != nil {
					t.Error(err)
				}
				_, _ = load(store, experiment, key(1))
			})
			cached := store.Stats().Cached
			require.True(t, c.least <= cached && cached <= c.most, "%d", cached)
			require.NoError(t, client.Close()) // now Redis does not answer
			known := 0
			for i := range units {
				e, err := load(store, experiment, key(i+1))
				if err == nil {
					known++
					require.Equal(t, want(i+1), e)
				}
				require.True(t, err == nil || size < 0 || i > 0, "what is used is kept")
			}
			require.LessOrEqual(t, known, cached)
		})
	}
}

var colors = []string{core.Control, "red", "blue"}

// A workload runs an experiment for many units from some callers, over a store
// that may fail, and looks at the answers.
type workload struct {
	t       *testing.T
	e       *core.Experiment[string, string]
	store   *redisstore.Store
	units   int
	want    []string // per unit, from before anything happened
	changed atomic.Int64
	broken  atomic.Int64 // without a usable answer
}

const loadCallers = 16

// newWorkload assigns all units with all the time that it takes, and returns a
// workload on another store, which has the timeout of a program.
func newWorkload(t *testing.T, client redis.UniversalClient, cacheSize, units int) *workload {
	t.Helper()
	define := func(o *redisstore.Options) (*redisstore.Store, *core.Experiment[string, string]) {
		o.CacheSize = cacheSize
		store := newStore(t, client, o)
		client, err := core.New(core.Config{Store: store, KeySecret: []byte("thirty-two bytes of real secrecy"),
			Rollout: core.Even, NamePrefix: "shop", Logger: o.Logger})
		require.NoError(t, err)
		e, err := core.Define(client, core.Definition[string, string]{
			Name: "pill_color", Unit: func(id string) core.Unit { return core.Actor(id) },
			Control:  core.Variant[string, string]{Value: core.Control},
			Variants: []core.Variant[string, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
		})
		require.NoError(t, err)
		return store, e
	}
	w := &workload{t: t, units: units, want: make([]string, units)}
	_, patient := define(quiet())
	callers(loadCallers, units, func(i int) {
		a := patient.Assign(ctx, fmt.Sprint("user-", i-1))
		w.want[i-1] = a.Variant
		if a.Err != nil {
			t.Error(a.Err)
		}
	})
	w.store, w.e = define(impatient())
	return w
}

// pass assigns every step-th unit once.
func (w *workload) pass(step int) {
	callers(loadCallers, w.units/step, func(i int) {
		u := (i - 1) * step
		value, err := w.e.Run(ctx, fmt.Sprint("user-", u))
		if err != nil || !slices.Contains(colors, value) {
			w.broken.Add(1)
		}
		if value != w.want[u] {
			w.changed.Add(1)
		}
	})
}

// isBack returns when the store asks Redis again.
func (w *workload) isBack() {
	eventually(w.t, "the store is back", func() bool {
		return w.store.Save(ctx, "shop_pill_color", key(1), resolved("red")) == nil && w.store.Stats().OpenCircuits == 0
	})
}

func (w *workload) nobodyNoticed() {
	require.Zero(w.t, w.broken.Load())
	require.Zero(w.t, w.changed.Load())
}

// TestFailureMatrix disturbs a server in every way there is while a program
// assigns units. Nobody sees an error, nobody changes variant, and what an
// outage costs is counted.
func TestFailureMatrix(t *testing.T) {
	const units = 6_000
	type victim struct {
		*redistest.Server
		*redistest.Proxy
		client *redis.Client
	}
	set := func(name, value string) func(victim) {
		return func(v victim) { require.NoError(t, v.client.ConfigSet(ctx, name, value).Err()) }
	}
	replicaOf := func(host, port string) func(victim) {
		return func(v victim) { require.NoError(t, v.client.ReplicaOf(ctx, host, port).Err()) }
	}
	// Every bucket a text, or none.
	buckets := func(command string) func(victim) {
		return func(v victim) {
			const script = `for i = 0, 32767 do redis.call(ARGV[1], string.format('rk:shop_pill_color:15:%04x', i), ARGV[2]) end`
			require.ErrorIs(t, v.client.Eval(ctx, script, nil, command, "x").Err(), redis.Nil)
		}
	}
	for _, fault := range []struct {
		name         string
		answers      bool // all the same
		sicken, heal func(victim)
	}{
		{"killed", false, func(v victim) { v.Kill() }, func(v victim) { v.Restart() }},
		{"stopped", false, func(v victim) { v.Stop() }, func(v victim) { v.Cont() }},
		{"black hole", false, func(v victim) { v.BlackHole() }, func(v victim) { v.Pass() }},
		{"reset", false, func(v victim) { v.Reset() }, func(v victim) { v.Pass() }},
		{"full", true, set("maxmemory", "1"), set("maxmemory", "0")},
		{"read-only", true, replicaOf("127.0.0.1", "1"), replicaOf("NO", "ONE")},
		{"wrong type", true, buckets("set"), buckets("del")},
	} {
		t.Run(fault.name, func(t *testing.T) {
			server := redistest.Start(t)
			v := victim{server, redistest.NewProxy(t, server.Addr), server.Client()}
			// The last known answers would hide what this is about.
			w := newWorkload(t, newClient(v.Proxy.Addr), -1, units)
			w.pass(1)

			// Half of the units are new to the store while it is sick.
			require.NoError(t, v.client.FlushAll(ctx).Err())
			w.pass(2)
			w.isBack() // whatever else the machine does
			before := w.store.Stats()
			fault.sicken(v)
			w.pass(1)
			during := w.store.Stats()
			t.Logf("before %+v\nduring %+v", before, during)
			most := uint64(2 * (3 + loadCallers))
			if fault.answers { // then a busy machine opens circuits, and they close again
				most *= 1 + during.Opened - before.Opened
			}
			require.LessOrEqual(t, during.Timeouts-before.Timeouts, most, "three calls and those in flight, for reads and for writes")

			fault.heal(v)
			w.isBack()
			w.pass(1)
			w.nobodyNoticed()
		})
	}
}

// TestFlapping lets a server come and go.
func TestFlapping(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	w := newWorkload(t, newClient(proxy.Addr), 0, 5_000)
	stop := make(chan struct{})
	var flaps sync.WaitGroup
	flaps.Go(func() {
		for i := 0; ; i++ {
			[]func(){proxy.BlackHole, proxy.Pass, server.Stop, server.Cont, proxy.Reset, proxy.Pass}[i%6]()
			select {
			case <-stop:
				proxy.Pass()
				server.Cont()
				return
			case <-time.After(400 * time.Millisecond):
			}
		}
	})
	for began := time.Now(); time.Since(began) < 3*time.Second; {
		w.pass(1)
	}
	close(stop)
	flaps.Wait()
	t.Logf("%+v", w.store.Stats())
	w.isBack()
	w.nobodyNoticed()
}
