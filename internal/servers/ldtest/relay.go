// Package ldtest runs LaunchDarkly's own Relay Proxy, ld-relay, for tests. The
// relay serves flags from an archive on disk, offline, to real SDK clients.
//
// The relay listens on all interfaces and has no option against it. So the test
// binary runs itself again in a network namespace of its own, which has nothing
// but a loopback interface, and the relay lives in there. The package's tests
// call [Main] from TestMain, and each that needs a relay calls [Start].
package ldtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
)

const name = "ld-relay"

// programEnv tells the test binary inside the namespace where the relay is.
const programEnv = "ROLLOUTKIT_LD_RELAY"

// errMissing is why there is no relay.
var errMissing = errors.New("TestMain does not call ldtest.Main")

// Main runs the tests, and returns the exit code. Where real servers are asked
// for, it builds the relay and runs them in a network namespace. Where that can't
// be done, they run where they are, and [Start] says why it has no relay.
func Main(m *testing.M) int {
	if !realserver.Asked() {
		return m.Run()
	}
	if os.Getenv(programEnv) != "" {
		errMissing = loopbackUp()
		return m.Run()
	}
	code, err := inNamespace()
	if err != nil {
		errMissing = err
		return m.Run()
	}
	return code
}

// inNamespace builds the relay, runs this test binary again in a network
// namespace of its own, and returns its exit code. An error says that it did not
// start.
func inNamespace() (code int, err error) {
	if errUnsupported != nil {
		return 0, errUnsupported
	}
	program, err := build()
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	// "Die with the parent" is tied to the thread that forks.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), programEnv+"="+program)
	isolate(cmd)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("it listens on all interfaces, and a network namespace to keep it in can't be had: %w", err)
	}
	switch err := cmd.Wait(); {
	case err == nil:
		return 0, nil
	case cmd.ProcessState.Exited():
		return cmd.ProcessState.ExitCode(), nil
	default: // by a signal
		fmt.Fprintln(os.Stderr, "ldtest: the tests in the network namespace:", err)
		return 1, nil
	}
}

// A Relay is a running ld-relay. Its methods fail the test.
type Relay struct {
	URL string

	t       testing.TB
	dir     string
	port    int
	process *realserver.Process
}

// Start starts a relay that serves data, {"flags":{...},"segments":{...}} in the
// format of the SDK, until the test ends. It skips or fails the test if there is
// none; see [realserver.Require].
func Start(t testing.TB, data []byte) *Relay {
	t.Helper()
	realserver.Require(t, name, nil)
	realserver.Require(t, name, errMissing)
	port, err := realserver.FreePort()
	require.NoError(t, err)
	r := &Relay{URL: fmt.Sprintf("http://127.0.0.1:%d", port), t: t, dir: t.TempDir(), port: port}
	r.Serve(data)
	version := r.start()
	t.Cleanup(func() { r.process.Stop() })
	realserver.Ran(name, version, r.URL)
	return r
}

// Serve replaces what the relay serves. It sees the change within a fraction of
// a second, and its clients soon after; the caller waits for them.
func (r *Relay) Serve(data []byte) {
	r.t.Helper()
	archive, err := archived(data)
	require.NoError(r.t, err)
	// The relay watches the path, so it is never there in part.
	require.NoError(r.t, os.WriteFile(r.archive()+".new", archive, 0o600))
	require.NoError(r.t, os.Rename(r.archive()+".new", r.archive()))
}

// Kill ends the relay without a warning.
func (r *Relay) Kill() { r.process.Kill() }

// Restart starts it again at the same address, after Kill.
func (r *Relay) Restart() {
	r.t.Helper()
	r.start()
}

func (r *Relay) archive() string { return filepath.Join(r.dir, "archive.tar.gz") }

// start starts the process and returns the version that it tells.
func (r *Relay) start() string {
	r.t.Helper()
	const nowhere = "http://127.0.0.1:9" // discard: nobody listens there
	cmd := exec.Command(os.Getenv(programEnv), "--from-env")
	cmd.Env = []string{
		"TMPDIR=" + r.dir, "PORT=" + strconv.Itoa(r.port),
		"FILE_DATA_SOURCE=" + r.archive(), "FILE_DATA_SOURCE_MONITORING_INTERVAL=100ms",
		"BASE_URI=" + nowhere, "STREAM_URI=" + nowhere, "CLIENT_SIDE_BASE_URI=" + nowhere, "EVENTS_HOST=" + nowhere,
		"EXIT_ON_ERROR=true", "GRACEFUL_SHUTDOWN_TIMEOUT=1s",
	}
	var err error
	r.process, err = realserver.Start(cmd)
	require.NoError(r.t, err)
	var status struct{ Status, Version string }
	require.NoError(r.t, r.process.WaitUntil(time.Minute, func() error {
		answer, err := http.Get(r.URL + "/status")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		err = json.NewDecoder(answer.Body).Decode(&status)
		if err == nil && status.Status != "healthy" {
			err = fmt.Errorf("its status is %q", status.Status)
		}
		return err
	}))
	return status.Version
}
