// Package unleashtest starts a real Unleash server for tests, with a PostgreSQL
// of its own, and creates toggles in it through the server's admin API. Both
// listen on free loopback ports and end with the test binary.
//
// It needs Node.js with npm, which installs the server once per machine, and
// PostgreSQL. A TestMain starts one server for all tests of a package:
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		unleashtest.Stop()
//		os.Exit(code)
//	}
//
//	func TestSomething(t *testing.T) {
//		server := unleashtest.Shared(t)
package unleashtest

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/internal/realserver"
)

// The tokens of every server started here, for clients and for the admin API.
// They open nothing else.
const (
	ClientToken = "default:development.rolloutkit-client"
	AdminToken  = "*:*.rolloutkit-admin"
)

// environment is the one that toggles are switched on in, and clients see.
const environment = "development"

// A Server is a running Unleash server.
type Server struct {
	// URL is what a client gets by WithUrl: it ends in /api/.
	URL string
	// Version is what the server says of itself.
	Version string

	node     string
	modules  string
	database *database
	ours     bool // the database ends with the server
	process  *realserver.Process
	log      string
	client   http.Client
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared returns the one server of the test binary, and starts it when called
// first. Where real servers are not asked for or this one can't be had, the
// test is skipped, or fails, as package realserver says.
func Shared(t testing.TB) *Server {
	t.Helper()
	realserver.Require(t, "unleash", nil)
	shared.once.Do(func() {
		if shared.server, shared.err = Start(); shared.err == nil {
			realserver.Ran("unleash", shared.server.Version, shared.server.address())
		}
	})
	realserver.Require(t, "unleash", shared.err)
	return shared.server
}

// Stop stops the shared server, if there is one. TestMain calls it.
func Stop() {
	if shared.server != nil {
		shared.server.Stop()
	}
}

// Start starts a server with an empty database.
func Start() (*Server, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("no program called node: Unleash runs on Node.js")
	}
	modules, err := modules()
	if err != nil {
		return nil, err
	}
	db, err := startDatabase()
	if err != nil {
		return nil, err
	}
	s := &Server{node: node, modules: modules, database: db, ours: true}
	if err := s.start(); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Twin starts another server on the same database, for tests that kill one. It
// is stopped with the test.
func (s *Server) Twin(t testing.TB) *Server {
	t.Helper()
	twin := &Server{node: s.node, modules: s.modules, database: s.database}
	t.Cleanup(twin.Stop)
	if err := twin.start(); err != nil {
		t.Fatalf("a second Unleash server: %v", err)
	}
	return twin
}

func (s *Server) start() error {
	port, err := realserver.FreePort()
	if err != nil {
		return err
	}
	s.client.Timeout = 10 * time.Second
	s.URL = fmt.Sprintf("http://127.0.0.1:%d/api/", port)
	s.log = filepath.Join(s.database.dir, fmt.Sprintf("unleash-%d.log", port))
	log, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.node, filepath.Join(s.modules, "unleash-server", "dist", "server.js"))
	cmd.Env = append(os.Environ(),
		"DATABASE_URL="+s.database.url(), "DATABASE_SSL=false",
		"HTTP_HOST=127.0.0.1", fmt.Sprintf("HTTP_PORT=%d", port),
		"INIT_CLIENT_API_TOKENS="+ClientToken, "INIT_ADMIN_API_TOKENS="+AdminToken,
		"CHECK_VERSION=false", "SEND_TELEMETRY=false", "LOG_LEVEL=warn", "NODE_ENV=production")
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = realserver.Start(cmd); err != nil {
		return err
	}
	if err := s.process.WaitUntil(startTimeout, s.ready); err != nil {
		return withLog(err, s.log)
	}
	return nil
}

// ready learns the version, which takes a server that works and a token that it
// knows.
func (s *Server) ready() error {
	var config struct {
		Version string `json:"version"`
	}
	err := s.admin("GET", "ui-config", nil, &config)
	s.Version = config.Version
	return err
}

func (s *Server) address() string { return s.URL[:len(s.URL)-len("/api/")] }

// Kill ends the server at once, as a crash would. The database stays.
func (s *Server) Kill() {
	_ = s.process.Kill()
	<-s.process.Exited()
}

// Stop ends the server, and the database that was started with it.
func (s *Server) Stop() {
	if s.process != nil {
		s.process.Stop()
	}
	if s.ours {
		s.database.stop()
	}
}
