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

	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
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
	cmd := exec.Command(program, "--config="+path)
	cmd.Dir = dir
	server, err := realserver.Start(cmd)
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	require.NoError(t, server.WaitUntil(time.Minute, r.healthy))
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

// buildRelay returns the path of the relay. It gives up in time for the tests to
// end well; Go keeps what it compiled, so that the next run comes further.
func buildRelay(t *testing.T) (string, error) {
	ctx := t.Context()
	if deadline, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*2/3)
		defer cancel()
	}
	const module = "github.com/thomaspoignant/go-feature-flag"
	return realserver.Build(ctx, "goff-relay-"+relayVersion, module+"/cmd/relayproxy", "require "+module+" "+relayVersion, nil)
}
