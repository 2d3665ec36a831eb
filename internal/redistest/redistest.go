// Package redistest starts real Redis servers for tests: one server, a cluster
// with replicas, or Sentinel, on free loopback ports, with nothing kept on
// disk. It runs the machine's redis-server and installs nothing. Servers end
// with the test that started them, by process id.
//
// internal/realserver says when such tests run, skip or fail.
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rolloutkit/rolloutkit/internal/realserver"
)

// startup is how long a server may take to answer, with other tests on the
// machine.
const startup = 30 * time.Second

var version = sync.OnceValues(func() (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", err
	}
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "", err
	}
	if m := regexp.MustCompile(`v=(\S+)`).FindSubmatch(out); m != nil {
		return string(m[1]), nil
	}
	return "", fmt.Errorf("%s --version says %q", path, bytes.TrimSpace(out))
})

// need skips t unless real servers are asked for, or fails it where there is no
// redis-server and there should be.
func need(t testing.TB) string {
	t.Helper()
	realserver.Require(t, "redis", nil)
	v, err := version()
	realserver.Require(t, "redis", err)
	return v
}

// A Server is one redis-server.
type Server struct {
	Addr string // host:port

	t    testing.TB
	args []string
	dir  string

	mu      sync.Mutex
	process *realserver.Process
}

// Start starts one server. args go to redis-server, such as "--maxmemory",
// "10mb". It ends with the test.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	v := need(t)
	s := start(t, args...)
	realserver.Ran("redis standalone", v, s.Addr)
	return s
}

// start tries several ports, since another process can take one in between.
func start(t testing.TB, args ...string) *Server {
	t.Helper()
	for try := 0; ; try++ {
		s := &Server{Addr: freeAddr(t), t: t, args: args, dir: t.TempDir()}
		err := s.run()
		if err == nil {
			t.Cleanup(s.Kill)
			return s
		}
		if try == 4 {
			t.Fatalf("redis-server does not start: %v", err)
		}
	}
}

// Restart starts the server again at the same address, after Kill.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.run(); err != nil {
		s.t.Fatalf("redis-server does not start again: %v", err)
	}
}

func (s *Server) run() error {
	_, port, _ := net.SplitHostPort(s.Addr)
	var log bytes.Buffer
	name := "redis-server"
	args := []string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "no",
		"--daemonize", "no", "--logfile", ""}
	if len(s.args) > 0 && strings.HasSuffix(s.args[0], ".conf") { // Sentinel rewrites its file
		args = []string{s.args[0], "--sentinel"}
	} else {
		args = append(args, s.args...)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &log, &log
	process, err := realserver.Start(cmd)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.process = process
	s.mu.Unlock()
	for deadline := time.Now().Add(startup); ; {
		if ping(s.Addr) {
			return nil
		}
		select {
		case <-process.Exited():
			return fmt.Errorf("it ended: %s", lastLines(log.String()))
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("no answer on %s: %s", s.Addr, lastLines(log.String()))
		}
	}
}

// ping asks in Redis' inline protocol, so that it needs no client.
func ping(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	var b [7]byte
	n, _ := c.Read(b[:])
	return strings.HasPrefix(string(b[:n]), "+PONG")
}

func lastLines(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}

// Kill ends the server at once, as kill -9 does. A second call does nothing.
func (s *Server) Kill() {
	s.mu.Lock()
	process := s.process
	s.mu.Unlock()
	_ = process.Kill() // also ends a stopped process; fails if it has ended
	<-process.Exited()
}

// Stop freezes the server: its connections stay open and nothing answers.
func (s *Server) Stop() { s.do("pause", (*realserver.Process).Pause) }

// Cont lets a stopped server go on.
func (s *Server) Cont() { s.do("resume", (*realserver.Process).Resume) }

func (s *Server) do(what string, to func(*realserver.Process) error) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := to(s.process); err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

// Client returns a plain client for a test's own commands. It is closed with
// the test.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr, DisableIdentity: true})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Port returns the port of the server.
func (s *Server) Port() int {
	_, port, _ := net.SplitHostPort(s.Addr)
	n, _ := strconv.Atoi(port)
	return n
}

// busOffset is how far a cluster node's bus port lies above its port.
const busOffset = 10000

// freeAddr returns a loopback address that nobody listens on, with a free port
// for a cluster bus.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		port, err := realserver.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if port > busOffset*2 { // the bus gets one of those that the kernel leaves alone, too
			port -= busOffset
		}
		addr, bus := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", port+busOffset)
		if isFree(addr) && isFree(bus) {
			return addr
		}
	}
	t.Fatal("no free port whose bus port is free")
	return ""
}

// isFree reports whether nobody listens on addr.
func isFree(addr string) bool {
	l, err := net.Listen("tcp", addr)
	return err == nil && l.Close() == nil
}

// Wait polls until ok, or fails the test after a generous time.
func Wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(startup); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, startup)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

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
	cluster := &Cluster{}
	node := func() *Server {
		return start(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
			"--cluster-node-timeout", "2000", "--cluster-announce-ip", "127.0.0.1",
			"--repl-diskless-sync-delay", "0", "--cluster-require-full-coverage", "no")
	}
	for range masters {
		cluster.Masters = append(cluster.Masters, node())
	}
	if replicas {
		for range masters {
			cluster.Replicas = append(cluster.Replicas, node())
		}
	}
	ctx := context.Background()
	first := cluster.Masters[0]
	for i, s := range cluster.Masters {
		c := s.Client()
		must(t, c.ClusterAddSlotsRange(ctx, i*16384/masters, (i+1)*16384/masters-1).Err())
		must(t, c.Do(ctx, "cluster", "set-config-epoch", i+1).Err())
	}
	for _, s := range cluster.Nodes()[1:] {
		must(t, s.Client().ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(first.Port())).Err())
	}
	for _, s := range cluster.Nodes() {
		c := s.Client()
		Wait(t, "cluster of "+s.Addr, func() bool {
			info, err := c.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", len(cluster.Nodes())))
		})
	}
	for i, s := range cluster.Replicas {
		id, err := cluster.Masters[i].Client().Do(ctx, "cluster", "myid").Text()
		must(t, err)
		must(t, s.Client().ClusterReplicate(ctx, id).Err())
	}
	for _, s := range cluster.Nodes() {
		c := s.Client()
		Wait(t, "cluster state of "+s.Addr, func() bool {
			info, err := c.ClusterInfo(ctx).Result()
			if err != nil || !strings.Contains(info, "cluster_state:ok") {
				return false
			}
			nodes, err := c.ClusterNodes(ctx).Result()
			return err == nil && strings.Count(nodes, "slave") == len(cluster.Replicas)
		})
	}
	for _, s := range cluster.Replicas {
		c := s.Client()
		Wait(t, "replica "+s.Addr, func() bool {
			info, err := c.Info(ctx, "replication").Result()
			return err == nil && strings.Contains(info, "master_link_status:up")
		})
	}
	realserver.Ran(fmt.Sprintf("redis cluster of %d masters and %d replicas", masters, len(cluster.Replicas)), v, first.Addr)
	return cluster
}

// Nodes returns all nodes, masters first.
func (c *Cluster) Nodes() []*Server {
	return append(append([]*Server(nil), c.Masters...), c.Replicas...)
}

// Addrs returns the addresses of all nodes, masters first.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, s := range c.Nodes() {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

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
	set.Replica = start(t, "--replicaof", "127.0.0.1", strconv.Itoa(set.Master.Port()), "--repl-diskless-sync-delay", "0")
	replica := set.Replica.Client()
	Wait(t, "replica", func() bool {
		info, err := replica.Info(context.Background(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	for range 3 {
		set.Sentinels = append(set.Sentinels, startSentinel(t, set.Master.Port()))
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

func startSentinel(t testing.TB, master int) *Server {
	t.Helper()
	for try := 0; ; try++ {
		s := &Server{Addr: freeAddr(t), t: t, dir: t.TempDir()}
		file := filepath.Join(s.dir, "sentinel.conf")
		must(t, os.WriteFile(file, fmt.Appendf(nil, "bind 127.0.0.1\nport %d\ndir %s\n"+
			"sentinel monitor %s 127.0.0.1 %d 2\nsentinel down-after-milliseconds %s 1000\n"+
			"sentinel failover-timeout %s 5000\n", s.Port(), s.dir, MasterName, master, MasterName, MasterName), 0o600))
		s.args = []string{file}
		err := s.run()
		if err == nil {
			t.Cleanup(s.Kill)
			return s
		}
		if try == 4 {
			t.Fatalf("Sentinel does not start: %v", err)
		}
	}
}

// Addrs returns the addresses of the Sentinels.
func (s *Sentinel) Addrs() []string {
	var addrs []string
	for _, one := range s.Sentinels {
		addrs = append(addrs, one.Addr)
	}
	return addrs
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
