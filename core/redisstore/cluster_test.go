package redisstore_test

import (
	"fmt"
	"slices"
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
// takes over.
func TestClusterLosesAMaster(t *testing.T) {
	t.Parallel() // it waits most of the time
	for how, end := range map[string]func(*redistest.Server){"killed": (*redistest.Server).Kill, "stopped": (*redistest.Server).Stop} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			cluster := redistest.StartCluster(t, 3, true)
			addrs := cluster.Addrs()
			client, err := redisstore.NewClient("redis://" + addrs[0] + "?addr=" + strings.Join(addrs[1:], "&addr="))
			require.NoError(t, err)
			store := newStore(t, client, impatient())
			saveEach(t, store, 0, "first answers")
			replicated(t, cluster.Masters[0], cluster.Replicas[0])
			var failed atomic.Int64
			stop := make(chan struct{})
			var all sync.WaitGroup
			for c := range 8 {
				all.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						case <-time.After(time.Millisecond):
						}
						k := key(c*1e9 + i)
						_, err := load(store, experiment, k)
						if err == nil {
							_, _, err = store.Claim(ctx, experiment, k, core.Entry{}, resolved("red"))
						}
						if err != nil {
							failed.Add(1)
						}
					}
				})
			}
			failed.Store(0)
			end(cluster.Masters[0])
			replica := cluster.Replicas[0].Client()
			eventually(t, "the replica takes over", func() bool {
				return strings.Contains(replica.Info(ctx, "replication").Val(), "role:master")
			})
			eventually(t, "callers notice", func() bool { return failed.Load() > 0 })
			saveEach(t, store, 1000, "callers recover")
			eventually(t, "the circuits close", func() bool { return store.Stats().OpenCircuits == 0 })
			close(stop)
			all.Wait()
			t.Logf("%d calls failed; %+v", failed.Load(), store.Stats())
			for i := range 64 {
				e, err := load(store, experiment, key(i))
				require.NoError(t, err)
				require.Equal(t, resolved("red"), e)
			}
		})
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
	store := newStore(t, newClusterClient(strings.Join(cluster.Addrs(), ",")), quiet())
	const units = 5000
	callers(16, units, func(i int) {
		if err := store.Save(ctx, experiment, key(i-1), resolved("red")); err != nil {
			t.Error(err)
		}
	})
	var calls, refused atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for c := range 4 {
		all.Go(func() {
			for i := c; ; i += 4 {
				select {
				case <-stop:
					return
				default:
				}
				page := make([]core.Lookup, 5)
				for p := range page {
					page[p] = core.Lookup{Experiment: experiment, Key: key((i + 7*p) % units)}
				}
				err := store.Load(ctx, page)
				for _, l := range page {
					if err == nil && l.Entry != resolved("red") {
						err = fmt.Errorf("unit %s: %v, %w", l.Key, l.Entry, l.Err)
					}
				}
				if err == nil {
					_, err = load(store, experiment, page[0].Key)
				}
				if err == nil {
					_, _, err = store.Claim(ctx, experiment, key(units+i), core.Entry{}, resolved("red"))
				}
				calls.Add(1)
				if err != nil && strings.Contains(err.Error(), unserved) {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	moveSlots(t, cluster.Masters[0], cluster.Masters[1], cluster.Masters[2])
	close(stop)
	all.Wait()
	t.Logf("the cluster served no slot in %d of %d rounds of calls", refused.Load(), calls.Load())
	require.Less(t, refused.Load(), calls.Load()/10)
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

// TestClusterRoundTrips counts what a page of many experiments costs: one
// pipeline for each node.
func TestClusterRoundTrips(t *testing.T) {
	cluster := redistest.StartCluster(t, 3, false)
	client := newClusterClient(strings.Join(cluster.Addrs(), ",")).(*redis.ClusterClient)
	trips := &counting{}
	client.OnNewNode(func(node *redis.Client) { node.AddHook(trips) })
	store := newStore(t, client, quiet())
	store.WaitIdle() // and the client knows who has which slots
	before := trips.n.Load()
	_, err := load(store, "e1", key(1))
	require.NoError(t, err)
	require.EqualValues(t, 1, trips.n.Load()-before, "nothing is asked about the command")
	page := make([]core.Lookup, 30)
	for i := range page {
		page[i] = core.Lookup{Experiment: fmt.Sprint("e", i), Key: key(i)}
		require.NoError(t, store.Save(ctx, page[i].Experiment, key(i), resolved("red")))
	}
	require.NoError(t, store.Load(ctx, page)) // connects
	before = trips.n.Load()
	require.NoError(t, store.Load(ctx, page))
	for _, l := range page {
		require.Equal(t, resolved("red"), l.Entry)
	}
	require.EqualValues(t, 3, trips.n.Load()-before)
}

// TestSentinelFailsOver kills the master that Sentinel watches.
func TestSentinelFailsOver(t *testing.T) {
	t.Parallel() // it waits most of the time
	set := redistest.StartSentinel(t)
	addrs := set.Addrs()
	client, err := redisstore.NewClient("redis://" + addrs[0] + "?master_name=" + redistest.MasterName + "&addr=" + strings.Join(addrs[1:], "&addr="))
	require.NoError(t, err)
	store := newStore(t, client, impatient())
	eventually(t, "first answer", func() bool { return store.Save(ctx, experiment, key(1), resolved("red")) == nil })
	replica := set.Replica.Client()
	eventually(t, "the replica has it", func() bool { return replica.DBSize(ctx).Val() == 1 })
	set.Master.Kill()
	eventually(t, "the replica is master", func() bool {
		_, err := load(store, experiment, key(2))
		return err == nil && store.Save(ctx, experiment, key(2), resolved("blue")) == nil
	})
	e, err := load(store, experiment, key(1))
	require.NoError(t, err)
	require.Equal(t, resolved("red"), e)
}
