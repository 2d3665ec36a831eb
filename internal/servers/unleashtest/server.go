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
	"crypto/sha256"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
)

// The tokens of every server started here, for clients and for the admin API.
// They open nothing else.
const (
	ClientToken = "default:development.rolloutkit-client"
	AdminToken  = "*:*.rolloutkit-admin"
)

// environment is the one that toggles are switched on in, and clients see.
const environment = "development"

// What is installed, to the last byte: the lock file holds a hash of each
// package, and no address of any registry.
var (
	//go:embed npm/package.json
	packageJSON string
	//go:embed npm/package-lock.json
	packageLock string
)

// modules returns the directory node_modules with the server and the client
// specification. The first call of a machine installs them, which takes about
// half a minute.
var modules = sync.OnceValues(func() (string, error) {
	dir, err := realserver.Install(fmt.Sprintf("unleash-%.6x", sha256.Sum256([]byte(packageLock))), func(dir string) error {
		files := map[string]string{"package.json": packageJSON, "package-lock.json": packageLock}
		if err := realserver.WriteFiles(dir, files); err != nil {
			return err
		}
		npm := exec.Command("npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
		npm.Dir = dir
		return realserver.Run(npm)
	})
	return filepath.Join(dir, "node_modules"), err
})

// Specification returns the directory of the vendor's client specification: an
// index.json and the files that it lists.
func Specification() (string, error) {
	dir, err := modules()
	return filepath.Join(dir, "@unleash", "client-specification", "specifications"), err
}

// A Server is a running Unleash server.
type Server struct {
	// URL is what a client gets by WithUrl: it ends in /api/.
	URL string

	version  string // what the server says of itself
	database *database
	process  *realserver.Process
	client   http.Client
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared returns the one server of the test binary, and starts it with an empty
// database when called first. Where real servers are not asked for or this one
// can't be had, the test is skipped, or fails, as package realserver says.
func Shared(t testing.TB) *Server {
	t.Helper()
	realserver.Require(t, "unleash", nil)
	shared.once.Do(func() {
		var db *database
		if _, shared.err = modules(); shared.err != nil {
			return
		}
		if db, shared.err = startDatabase(); shared.err != nil {
			return
		}
		if shared.server, shared.err = start(db); shared.err != nil {
			db.stop()
			return
		}
		realserver.Ran("unleash", shared.server.version, shared.server.URL)
	})
	realserver.Require(t, "unleash", shared.err)
	return shared.server
}

// Stop stops the shared server and its database, if there is one. TestMain calls
// it.
func Stop() {
	if shared.server != nil {
		shared.server.process.Stop()
		shared.server.database.stop()
	}
}

// Twin starts another server on the same database, for tests that kill one. It
// is stopped with the test.
func (s *Server) Twin(t testing.TB) *Server {
	t.Helper()
	twin, err := start(s.database)
	require.NoError(t, err, "a second Unleash server")
	t.Cleanup(twin.process.Stop)
	return twin
}

func start(db *database) (*Server, error) {
	modules, err := modules()
	if err != nil {
		return nil, err
	}
	port, err := realserver.FreePort()
	if err != nil {
		return nil, err
	}
	s := &Server{URL: fmt.Sprintf("http://127.0.0.1:%d/api/", port), database: db, client: http.Client{Timeout: 10 * time.Second}}
	cmd := exec.Command("node", filepath.Join(modules, "unleash-server", "dist", "server.js"))
	cmd.Env = append(os.Environ(),
		"DATABASE_URL="+db.url(), "DATABASE_SSL=false",
		"HTTP_HOST=127.0.0.1", fmt.Sprintf("HTTP_PORT=%d", port),
		"INIT_CLIENT_API_TOKENS="+ClientToken, "INIT_ADMIN_API_TOKENS="+AdminToken,
		"CHECK_VERSION=false", "SEND_TELEMETRY=false", "LOG_LEVEL=warn", "NODE_ENV=production")
	if s.process, err = realserver.Start(cmd); err != nil {
		return nil, err
	}
	if err := s.process.WaitUntil(startup, s.ready); err != nil {
		return nil, err
	}
	return s, nil
}

// ready learns the version, which takes a server that works and a token that it
// knows.
func (s *Server) ready() error {
	var config struct {
		Version string `json:"version"`
	}
	err := s.admin("GET", "ui-config", nil, &config)
	s.version = config.Version
	return err
}

// Kill ends the server at once, as a crash would. The database stays.
func (s *Server) Kill() { s.process.Kill() }
