package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
)

// A Cluster is a Redis Cluster. Masters and Replicas are the nodes as they were
// when it was made: Replicas[i] follows Masters[i].
type Cluster struct {
	Masters, Replicas []*Server
}

// StartCluster starts a cluster of that many masters, each with one replica if
// replicas is set, with a node timeout of two seconds.
func StartCluster(t testing.TB, masters int, replicas bool) *Cluster {
	t.Helper()
	v := need(t)
	nodes := make([]*Server, masters)
	if replicas {
		nodes = make([]*Server, 2*masters)
	}
	for i := range nodes {
		nodes[i] = start(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
			"--cluster-node-timeout", "2000", "--cluster-announce-ip", "127.0.0.1",
			"--repl-diskless-sync-delay", "0", "--cluster-require-full-coverage", "no")
	}
	cluster := &Cluster{nodes[:masters], nodes[masters:]}
	ctx := context.Background()
	for i, s := range cluster.Masters {
		c := s.Client()
		require.NoError(t, c.ClusterAddSlotsRange(ctx, i*16384/masters, (i+1)*16384/masters-1).Err())
		require.NoError(t, c.Do(ctx, "cluster", "set-config-epoch", i+1).Err())
	}
	for _, s := range nodes[1:] {
		require.NoError(t, s.Client().ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(nodes[0].Port())).Err())
	}
	for _, s := range nodes {
		s.waitFor("cluster", fmt.Sprintf("cluster_known_nodes:%d\r", len(nodes)))
	}
	for i, s := range cluster.Replicas {
		id, err := cluster.Masters[i].Client().Do(ctx, "cluster", "myid").Text()
		require.NoError(t, err)
		require.NoError(t, s.Client().ClusterReplicate(ctx, id).Err())
	}
	for _, s := range nodes {
		s.waitFor("cluster", "cluster_state:ok")
		c := s.Client()
		Wait(t, "replicas that "+s.Addr+" knows", func() bool {
			known, err := c.ClusterNodes(ctx).Result()
			return err == nil && strings.Count(known, "slave") == len(cluster.Replicas)
		})
	}
	for _, s := range cluster.Replicas {
		s.waitFor("replication", "master_link_status:up")
	}
	realserver.Ran(fmt.Sprintf("redis cluster of %d masters and %d replicas", masters, len(cluster.Replicas)), v, nodes[0].Addr)
	return cluster
}

// waitFor waits until what the server tells of itself, or of its cluster, has a
// line.
func (s *Server) waitFor(section, line string) {
	s.t.Helper()
	c, ctx := s.Client(), context.Background()
	Wait(s.t, s.Addr+" says "+line, func() bool {
		info := c.Info(ctx, section)
		if section == "cluster" {
			info = c.ClusterInfo(ctx)
		}
		return strings.Contains(info.Val(), line)
	})
}

// Nodes returns all nodes, masters first.
func (c *Cluster) Nodes() []*Server { return slices.Concat(c.Masters, c.Replicas) }

// Addrs returns the addresses of all nodes, masters first.
func (c *Cluster) Addrs() []string { return addrs(c.Nodes()) }

// MasterName is what Sentinels started here call the master.
const MasterName = "main"

// A Sentinel is a master with a replica, watched by three Sentinels.
type Sentinel struct {
	Master, Replica *Server
	Sentinels       []*Server
}

// StartSentinel starts one. A master counts as down after a second.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	v := need(t)
	set := &Sentinel{Master: start(t, "--repl-diskless-sync-delay", "0")}
	port := strconv.Itoa(set.Master.Port())
	set.Replica = start(t, "--replicaof", "127.0.0.1", port, "--repl-diskless-sync-delay", "0")
	set.Replica.waitFor("replication", "master_link_status:up")
	for range 3 {
		set.Sentinels = append(set.Sentinels, startSentinel(t, port))
	}
	for _, s := range set.Sentinels {
		c := redis.NewSentinelClient(&redis.Options{Addr: s.Addr})
		t.Cleanup(func() { _ = c.Close() })
		Wait(t, "Sentinels know each other", func() bool {
			m, err := c.Master(context.Background(), MasterName).Result()
			return err == nil && m["num-other-sentinels"] == "2" && m["num-slaves"] == "1"
		})
	}
	realserver.Ran("redis with Sentinel", v, set.Master.Addr)
	return set
}

func startSentinel(t testing.TB, master string) *Server {
	t.Helper()
	s, dir := newServer(t), t.TempDir()
	file := filepath.Join(dir, "sentinel.conf") // Sentinel rewrites it
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "bind 127.0.0.1\nport %d\ndir %s\n"+
		"sentinel monitor %[3]s 127.0.0.1 %[4]s 2\nsentinel down-after-milliseconds %[3]s 1000\n"+
		"sentinel failover-timeout %[3]s 5000\n", s.Port(), dir, MasterName, master), 0o600))
	s.args = []string{file, "--sentinel"}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// Addrs returns the addresses of the Sentinels.
func (s *Sentinel) Addrs() []string { return addrs(s.Sentinels) }

func addrs(servers []*Server) []string {
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}
