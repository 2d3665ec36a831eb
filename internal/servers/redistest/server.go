// Package redistest starts real Redis servers for tests: one server, a cluster
// with replicas, or Sentinel, on free loopback ports, with nothing kept on
// disk. It runs the machine's redis-server and installs nothing. Servers end
// with the test that started them, by process id.
//
// Package realserver says when such tests run, skip or fail.
package redistest

import (
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
)

// startup is how long a server may take to answer, with other tests on the
// machine.
const startup = 30 * time.Second

var version = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return "", err
	}
	if m := regexp.MustCompile(`v=(\S+)`).FindSubmatch(out); m != nil {
		return string(m[1]), nil
	}
	return "", fmt.Errorf("redis-server --version says %q", out)
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

	t       testing.TB
	args    []string
	process atomic.Pointer[realserver.Process]
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

func start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t)
	s.args = append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(s.Port()), "--dir", t.TempDir(), "--save", ""}, args...)
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

func newServer(t testing.TB) *Server {
	t.Helper()
	port, err := realserver.FreePort()
	require.NoError(t, err)
	return &Server{Addr: fmt.Sprintf("127.0.0.1:%d", port), t: t}
}

// Restart starts the server again at the same address, after Kill.
func (s *Server) Restart() {
	s.t.Helper()
	process, err := realserver.Start(exec.Command("redis-server", s.args...))
	require.NoError(s.t, err)
	s.process.Store(process)
	require.NoError(s.t, process.WaitUntil(startup, s.ping))
}

// ping asks in Redis' inline protocol, so that it needs no client.
func (s *Server) ping() error {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	var b [7]byte
	n, err := c.Read(b[:])
	if !strings.HasPrefix(string(b[:n]), "+PONG") {
		return fmt.Errorf("to PING it says %q: %w", b[:n], err)
	}
	return nil
}

// Kill ends the server at once, as kill -9 does. A second call does nothing.
func (s *Server) Kill() { s.process.Load().Kill() }

// Stop freezes the server: its connections stay open and nothing answers.
func (s *Server) Stop() {
	s.t.Helper()
	require.NoError(s.t, s.process.Load().Pause())
}

// Cont lets a stopped server go on.
func (s *Server) Cont() {
	s.t.Helper()
	require.NoError(s.t, s.process.Load().Resume())
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

// Wait polls until ok, or fails the test after a generous time.
func Wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(startup); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, startup)
		}
	}
}
