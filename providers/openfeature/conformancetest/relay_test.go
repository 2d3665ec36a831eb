package conformancetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/internal/realserver"
)

// relayVersion is that of GO Feature Flag, whose relay proxy speaks OFREP.
const relayVersion = "v1.52.1"

const relayName = "go-feature-flag relay"

// adminKey lets the tests tell the relay to read its flags at once. Evaluations
// need no key.
const adminKey = "tests"

// A relay is a running relay proxy over one file of flags.
type relay struct {
	t     testing.TB
	url   string
	flags string
}

// startRelay builds the relay if need be, and runs it on a free port of the
// loopback interface until the test ends.
func startRelay(t *testing.T, flags string, more ...string) *relay {
	t.Helper()
	realserver.Require(t, relayName, nil)
	program, err := buildRelay(t)
	realserver.Require(t, relayName, err)

	dir := t.TempDir()
	r := &relay{t: t, flags: filepath.Join(dir, "flags.yaml")}
	require.NoError(t, os.WriteFile(r.flags, []byte(flags), 0o600))
	port, err := realserver.FreePort()
	require.NoError(t, err)
	r.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	config := fmt.Sprintf("server:\n  mode: http\n  host: 127.0.0.1\n  port: %d\nlogLevel: error\nauthorizedKeys:\n  admin: [%s]\n"+
		"retrievers:\n  - kind: file\n    path: %s\n", port, adminKey, r.flags)
	for _, lines := range more {
		config += lines
	}
	path := filepath.Join(dir, "relay.yaml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	log, err := os.Create(filepath.Join(dir, "relay.log"))
	require.NoError(t, err)
	defer log.Close()
	cmd := exec.Command(program, "--config="+path)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	server, err := realserver.Start(cmd)
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	if err := server.WaitUntil(time.Minute, r.healthy); err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("%v\n%s", err, text)
	}
	realserver.Ran(relayName, relayVersion, r.url)
	return r
}

func (r *relay) healthy() error {
	response, err := http.Get(r.url + "/health")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("/health says %s", response.Status)
	}
	return nil
}

// set replaces the flags and returns when the relay has read them.
func (r *relay) set(flags string) {
	r.t.Helper()
	// The relay also reads the file by itself, so it is never there in part.
	require.NoError(r.t, os.WriteFile(r.flags+".new", []byte(flags), 0o600))
	require.NoError(r.t, os.Rename(r.flags+".new", r.flags))
	request, err := http.NewRequest(http.MethodPost, r.url+"/admin/v1/retriever/refresh", nil)
	require.NoError(r.t, err)
	request.Header.Set("Authorization", "Bearer "+adminKey)
	response, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	var said struct{ Refreshed bool }
	require.NoError(r.t, json.Unmarshal(text, &said), string(text))
	require.True(r.t, said.Refreshed, string(text))
}

// relayModule is the module that the relay is built in, so that this one knows
// nothing of what it needs.
var relayModule = map[string]string{
	"go.mod":    "module relay\n\ngo 1.26.0\n\nrequire github.com/thomaspoignant/go-feature-flag " + relayVersion + "\n",
	"needed.go": "//go:build never\n\npackage relay\n\nimport _ \"" + relayPackage + "\"\n",
}

const relayPackage = "github.com/thomaspoignant/go-feature-flag/cmd/relayproxy"

// buildRelay returns the path of the relay. The first call of a machine builds
// it, which takes some minutes and needs the network. It gives up in time for
// the tests to end well; Go keeps what it compiled, so that the next run comes
// further.
func buildRelay(t *testing.T) (string, error) {
	cache, err := realserver.CacheDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(cache, "goff-relay-"+relayVersion)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(cache, "building-goff-relay-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	for name, text := range relayModule {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	ctx := context.Background()
	if deadline, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*2/3)
		defer cancel()
	}
	t.Logf("building the %s %s, once per machine", relayName, relayVersion)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", "relay", relayPackage)
	cmd.Dir = dir
	// -mod=mod fills go.sum; the checksum database is asked as always.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building it: %w: %s", err, out[max(0, len(out)-1000):])
	}
	// Moved into its place complete, so that a build that was cut short is never
	// taken for the relay.
	return program, os.Rename(filepath.Join(dir, "relay"), program)
}
