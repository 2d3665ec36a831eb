package unleash

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/core"
)

// A journal is what a test's logger wrote.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func TestBackupIsServedAtOnce(t *testing.T) {
	dir := t.TempDir()
	f := newFake(t, "["+enabled(share100(variants("red=1", "")))+"]")
	client, stop := openClient(t, f.URL, uc.WithBackupPath(dir))
	client.WaitForReady()
	stop()

	s := NewStorage(nil, nil)
	r := New(newClient(t, nowhere, uc.WithBackupPath(dir), uc.WithStorage(s)), &Options{Storage: s})
	d, err := ask(r, "x", "alice", "control", "red")
	require.NoError(t, err)
	require.Equal(t, "on red", decisionText(d))
	_, err = ask(r, "y", "alice")
	require.ErrorIs(t, err, core.ErrFlagNotFound)
}

func TestBootstrapIsServedAtOnce(t *testing.T) {
	s := NewStorage(&uc.BootstrapStorage{Reader: strings.NewReader(
		`{"version":1,"features":[` + enabled() + `]}`)}, nil)
	r := New(newClient(t, nowhere, uc.WithStorage(s)), &Options{Storage: s})
	d, err := ask(r, "x", "alice")
	require.NoError(t, err)
	require.Equal(t, "on *", decisionText(d))
}

// TestBootstrapOfWhatServersRefuse: an up-to-date server creates no variants of
// the toggle itself, no overrides, and no strategy userWithId.
func TestBootstrapOfWhatServersRefuse(t *testing.T) {
	legacy := in(enabled(strategy("userWithId", "userIds=alice,bob")),
		`"variants":[{"name":"red","weight":1000},{"name":"blue","weight":0,"overrides":[{"contextName":"userId","values":["bob"]}]}]`)
	s := NewStorage(&uc.BootstrapStorage{Reader: strings.NewReader(`{"version":1,"features":[` + legacy + `]}`)}, nil)
	r := New(newClient(t, nowhere, uc.WithStorage(s)), &Options{Storage: s})
	for key, want := range map[string]string{"alice": "red", "bob": "blue", "carol": "control"} {
		d, err := ask(r, "x", key, "control", "red", "blue")
		require.NoError(t, err)
		require.Equal(t, "conditional "+want, decisionText(d))
	}
}

// TestBootstrapWithoutOurStorage: the client's own storages work as they are.
func TestBootstrapWithoutOurStorage(t *testing.T) {
	bootstrap := &uc.BootstrapStorage{Reader: strings.NewReader(`{"version":1,"features":[` + enabled() + `]}`)}
	r := New(newClient(t, nowhere, uc.WithStorage(bootstrap)), nil)
	d, err := ask(r, "x", "alice")
	require.NoError(t, err)
	require.Equal(t, "on *", decisionText(d))
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	s := NewStorage(nil, nil)
	s.Init(dir, "app")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unleash-repo-schema-v1-app.json"), []byte(`{"x":`+enabled()+`}`), 0o600))
	require.NoError(t, s.Load())
	_, ok := s.Get("x")
	require.True(t, ok)
	require.Len(t, s.List(), 1)
	known, err := s.load(false)
	require.NoError(t, err)
	require.Contains(t, known.byName, "x")
}

func TestStorageMisused(t *testing.T) {
	client := newClient(t, nowhere)
	s := NewStorage(nil, nil)
	_, err := ask(New(client, &Options{Storage: s}), "x", "alice")
	require.ErrorIs(t, err, core.ErrNotReady)
	require.ErrorContains(t, err, "given to no client")

	first := newClient(t, nowhere, uc.WithStorage(s))
	newClient(t, nowhere, uc.WithStorage(s))
	_, err = ask(New(first, &Options{Storage: s}), "x", "alice")
	require.ErrorContains(t, err, "several clients")
}

func TestOnChange(t *testing.T) {
	changes := make(chan []string, 10)
	var r *Rollout
	made := make(chan struct{})
	s := NewStorage(nil, &StorageOptions{OnChange: func(names []string) {
		<-made
		_, err := ask(r, "x", "alice") // which the client's own hooks must not do
		if err != nil && len(names) != 2 {
			t.Error(err)
		}
		changes <- names
	}})
	f := newFake(t, `[`+enabled()+`,{"name":"y"}]`)
	client := newClient(t, f.URL, uc.WithStorage(s), counting, seldom)
	r = New(client, &Options{Storage: s})
	close(made)
	require.Equal(t, []string{"x", "y"}, <-changes)
	f.set(t, `[`+enabled()+`,{"name":"y","enabled":true},{"name":"z"}]`, "")
	require.Equal(t, []string{"y", "z"}, <-changes)
	f.set(t, `[`+enabled()+`,{"name":"z"}]`, "")
	require.Equal(t, []string{"y"}, <-changes)
	f.set(t, `[`+enabled()+`,{"name":"z"}]`, `[{"id":1}]`) // no toggle differs
	f.set(t, `[`+enabled()+`]`, "")
	require.Equal(t, []string{"z"}, <-changes)
}

func TestOnChangePanics(t *testing.T) {
	j := &journal{}
	calls := make(chan struct{}, 10)
	s := NewStorage(nil, &StorageOptions{Logger: j.logger(), OnChange: func([]string) {
		calls <- struct{}{}
		panic("in OnChange")
	}})
	s.Init(t.TempDir(), "app")
	load(t, s, "["+enabled()+"]")
	<-calls
	load(t, s, "[]")
	<-calls
	eventually(t, func() bool { return strings.Count(j.String(), "in OnChange") == 2 })
}

// TestBackupFails: the client does not say so.
func TestBackupFails(t *testing.T) {
	j := &journal{}
	s := NewStorage(nil, &StorageOptions{Logger: j.logger()})
	client := newClient(t, newFake(t, "["+enabled()+"]").URL, uc.WithStorage(s),
		uc.WithBackupPath(filepath.Join(t.TempDir(), "absent")))
	client.WaitForReady()
	require.Contains(t, j.String(), "can't be backed up")
	_, err := ask(New(client, &Options{Storage: s}), "x", "alice")
	require.NoError(t, err)
}

func TestDefaultLogger(t *testing.T) {
	require.Same(t, slog.Default(), NewStorage(nil, nil).log())
}
