package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// clusterClients are the two ways to a cluster: with NewClient, and stock.
var clusterClients = map[string]func(t *testing.T, c *redistest.Cluster) redis.UniversalClient{
	"own": func(t *testing.T, c *redistest.Cluster) redis.UniversalClient {
		addrs := c.Addrs()
		client, err := redisstore.NewClient("redis://" + addrs[0] + "?addr=" + strings.Join(addrs[1:], "&addr="))
		require.NoError(t, err)
		return client
	},
	"stock": func(_ *testing.T, c *redistest.Cluster) redis.UniversalClient {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()})
	},
}

// An outage is what callers saw from the moment that something happened.
type outage struct {
	mu         sync.Mutex
	last       time.Time // of the last call that failed
	calls, bad int
	slowest    time.Duration
}

// watch calls load and claim for ever new units until stop is closed.
func (o *outage) watch(store *redisstore.Store, stop chan struct{}) *sync.WaitGroup {
	var all sync.WaitGroup
	for c := range 8 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := key(c*1e9 + i)
				at := time.Now()
				_, _, _, err := store.Load(ctx, experiment, k, nil)
				took := time.Since(at)
				if err == nil {
					at = time.Now()
					_, err = store.Claim(ctx, experiment, k, core.Entry{}, resolved("red"))
					took = max(took, time.Since(at))
				}
				o.mu.Lock()
				o.calls++
				o.slowest = max(o.slowest, took)
				if err != nil {
					o.bad++
					o.last = time.Now()
				}
				o.mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		})
	}
	return &all
}

// saveEach saves units of all masters, from the first-th on, each until it
// succeeds: a busy machine fails a call now and then.
func saveEach(t *testing.T, store *redisstore.Store, first int, what string) {
	t.Helper()
	for i := range 64 {
		eventually(t, what, func() bool { return store.Save(ctx, experiment, key(first+i), resolved("red")) == nil })
	}
}

// replicated waits until the replica has what the master has now.
func replicated(t *testing.T, master, replica *redistest.Server) {
	t.Helper()
	offset := func(s *redistest.Server, name string) (n int) {
		_, text, _ := strings.Cut(s.Client().Info(ctx, "replication").Val(), "\n"+name+":")
		_, _ = fmt.Sscan(text, &n)
		return n
	}
	want := offset(master, "master_repl_offset")
	require.Positive(t, want)
	eventually(t, "the replica follows", func() bool { return offset(replica, "slave_repl_offset") >= want })
}

// TestClusterLosesAMaster kills a master under load, and stops one. Its replica
// takes over; what is printed is how long callers noticed.
func TestClusterLosesAMaster(t *testing.T) {
	for name, connect := range clusterClients {
		for how, end := range map[string]func(*redistest.Server){"killed": (*redistest.Server).Kill, "stopped": (*redistest.Server).Stop} {
			t.Run(name+" "+how, func(t *testing.T) {
				cluster := redistest.StartCluster(t, 3, true)
				client := connect(t, cluster)
				defer client.Close()
				store := redisstore.New(client, impatient())
				defer store.Close()
				saveEach(t, store, 0, "first answers")
				replicated(t, cluster.Masters[0], cluster.Replicas[0])
				o := &outage{}
				stop := make(chan struct{})
				all := o.watch(store, stop)
				time.Sleep(300 * time.Millisecond)
				o.mu.Lock()
				o.slowest, o.bad, o.calls = 0, 0, 0
				o.mu.Unlock()
				end(cluster.Masters[0])
				began := time.Now()
				replica := cluster.Replicas[0].Client()
				eventually(t, "the replica takes over", func() bool {
					return strings.Contains(replica.Info(ctx, "replication").Val(), "role:master")
				})
				tookOver := time.Since(began)
				eventually(t, "callers notice", func() bool { o.mu.Lock(); defer o.mu.Unlock(); return o.bad > 0 })
				saveEach(t, store, 1000, "callers recover")
				eventually(t, "the circuits close", func() bool { return store.Stats().Open == 0 })
				close(stop)
				all.Wait()
				t.Logf("master %s, %s client: its replica took over after %v; %d of %d calls failed, the last %v after; slowest call %v; %+v",
					how, name, tookOver.Round(time.Millisecond), o.bad, o.calls, o.last.Sub(began).Round(time.Millisecond),
					o.slowest.Round(time.Microsecond), store.Stats())
				for i := range 64 {
					e, _, ok, err := store.Load(ctx, experiment, key(i), nil)
					require.NoError(t, err)
					require.True(t, ok)
					require.Equal(t, "red", e.Variant)
				}
			})
		}
	}
}

// The slots that TestClusterReshards moves.
const firstMoved, endMoved = 100, 200

// unserved is what a master says of a slot that it takes for nobody's. See
// moveSlots: that is the cluster's word, not a failure of the store.
const unserved = "CLUSTERDOWN Hash slot not served"

// TestClusterReshards moves slots from one master to another under load.
func TestClusterReshards(t *testing.T) {
	cluster := redistest.StartCluster(t, 3, false)
	from, to, other := cluster.Masters[0], cluster.Masters[1], cluster.Masters[2]
	for name, connect := range clusterClients {
		t.Run(name, func(t *testing.T) {
			client := connect(t, cluster)
			defer client.Close()
			store := redisstore.New(client, quiet())
			defer store.Close()
			const units = 5000
			for i := range units {
				require.NoError(t, store.Save(ctx, experiment, key(i), resolved("red")))
			}
			stop := make(chan struct{})
			var all sync.WaitGroup
			var mu sync.Mutex
			var problems []string
			calls, refused := 0, 0
			for c := range 4 {
				all.Go(func() {
					for i := c; ; i += 4 {
						select {
						case <-stop:
							return
						default:
						}
						e, _, ok, err := store.Load(ctx, experiment, key(i%units), nil)
						if err == nil && (!ok || e.Variant != "red") {
							err = fmt.Errorf("unit %d: %v %v", i%units, e, ok)
						}
						var batch []core.Lookup
						for b := range 5 {
							batch = append(batch, core.Lookup{Experiment: experiment, Key: key((i + 7*b) % units)})
						}
						for _, l := range store.LoadBatch(ctx, batch) {
							if err == nil && !l.OK {
								err = fmt.Errorf("in a batch: %v", l.Err)
							}
						}
						if err == nil {
							_, err = store.Claim(ctx, experiment, key(units+i), core.Entry{}, resolved("red"))
						}
						mu.Lock()
						calls++
						switch {
						case err == nil:
						case strings.Contains(err.Error(), unserved):
							refused++
						default:
							problems = append(problems, err.Error())
						}
						mu.Unlock()
					}
				})
			}
			moveSlots(t, from, to, other)
			from, to = to, from // where the slots are now
			close(stop)
			all.Wait()
			t.Logf("%s client: slots moved under load: %d of %d rounds of calls failed; the cluster served no slot in %d", name, len(problems), calls, refused)
			require.Less(t, refused, calls/10)
			require.Empty(t, problems)
		})
	}
}

// moveSlots moves a hundred slots of a to b as redis-cli does it, and returns
// when all masters know. A master that was told so may forget it again, until
// the next gossip of b, when it hears what b sent before b was told; it then
// says that the slot is not served.
func moveSlots(t *testing.T, a, b, other *redistest.Server) {
	t.Helper()
	from, to := a.Client(), b.Client()
	fromID, err := from.Do(ctx, "cluster", "myid").Text()
	require.NoError(t, err)
	toID, err := to.Do(ctx, "cluster", "myid").Text()
	require.NoError(t, err)
	masters := []*redis.Client{to, from, other.Client()}
	for slot := firstMoved; slot < endMoved; slot++ {
		require.NoError(t, to.Do(ctx, "cluster", "setslot", slot, "importing", fromID).Err())
		require.NoError(t, from.Do(ctx, "cluster", "setslot", slot, "migrating", toID).Err())
		for {
			keys, err := from.ClusterGetKeysInSlot(ctx, slot, 10).Result()
			require.NoError(t, err)
			if len(keys) == 0 {
				break
			}
			for key := range slices.Values(keys) {
				require.NoError(t, from.Migrate(ctx, "127.0.0.1", fmt.Sprint(b.Port()), key, 0, 5*time.Second).Err())
			}
		}
		for _, c := range masters {
			require.NoError(t, c.Do(ctx, "cluster", "setslot", slot, "node", toID).Err())
		}
	}
	redistest.Wait(t, "one view of who has the slots", func() bool {
		return !slices.ContainsFunc(masters, func(c *redis.Client) bool { return !has(t, c, toID, firstMoved, endMoved) })
	})
}

// has reports whether all slots from first to end belong to the master with that
// id and no slot to nobody, as another master sees it.
func has(t *testing.T, master *redis.Client, id string, first, end int64) bool {
	t.Helper()
	shards, err := master.ClusterShards(ctx).Result()
	require.NoError(t, err)
	var served, moved int64
	for _, shard := range shards {
		for _, r := range shard.Slots {
			served += r.End - r.Start + 1
			if shard.Nodes[0].ID == id {
				moved += max(0, min(r.End, end-1)-max(r.Start, first)+1)
			}
		}
	}
	return served == 1<<14 && moved == end-first
}

// A readCounter counts what a node is asked to read: a command or a pipeline.
type readCounter struct{ counting }

func (h *readCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "hmget" {
			h.n.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (h *readCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "hmget" {
			h.n.Add(1)
		}
		return next(ctx, cmds)
	}
}

// TestClusterRoundTrips counts what a page of many experiments costs: one
// pipeline for each node.
func TestClusterRoundTrips(t *testing.T) {
	cluster := redistest.StartCluster(t, 3, false)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs()})
	defer client.Close()
	reads := &readCounter{}
	client.OnNewNode(func(node *redis.Client) { node.AddHook(reads) })
	store := redisstore.New(client, quiet())
	defer store.Close()
	var page []core.Lookup
	for i := range 30 {
		page = append(page, core.Lookup{Experiment: fmt.Sprint("e", i), Key: key(i)})
		require.NoError(t, store.Save(ctx, page[i].Experiment, key(i), resolved("red")))
	}
	before := reads.n.Load()
	for _, l := range store.LoadBatch(ctx, page) {
		require.True(t, l.OK)
	}
	require.EqualValues(t, 3, reads.n.Load()-before)
	before = reads.n.Load()
	_, _, ok, err := store.Load(ctx, "e1", key(1), nil)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 1, reads.n.Load()-before)
}

// TestSentinelFailsOver kills the master that Sentinel watches.
func TestSentinelFailsOver(t *testing.T) {
	set := redistest.StartSentinel(t)
	addrs := set.Addrs()
	client, err := redisstore.NewClient("redis://" + addrs[0] + "?master_name=" + redistest.MasterName + "&addr=" + strings.Join(addrs[1:], "&addr="))
	require.NoError(t, err)
	defer client.Close()
	store := redisstore.New(client, impatient())
	defer store.Close()
	eventually(t, "first answer", func() bool { return store.Save(ctx, experiment, key(1), resolved("red")) == nil })
	replica := set.Replica.Client()
	eventually(t, "the replica has it", func() bool { return replica.DBSize(ctx).Val() == 1 })
	set.Master.Kill()
	began := time.Now()
	eventually(t, "the replica is master", func() bool {
		_, _, _, err := store.Load(ctx, experiment, key(2), nil)
		return err == nil && store.Save(ctx, experiment, key(2), resolved("blue")) == nil
	})
	t.Logf("assignments are kept again after %v; %+v", time.Since(began).Round(time.Millisecond), store.Stats())
	e, _, ok, err := store.Load(context.Background(), experiment, key(1), nil)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "red", e.Variant)
}
