package unleash_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/logbook"
	"github.com/rolloutkit/rolloutkit/internal/noleak"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// backup returns a directory with the backup of a client that had the features.
func backup(t *testing.T, features, segments string) string {
	dir, f := t.TempDir(), newFake(t, "")
	f.set(t, features, segments)
	client, stop := newClient(t, f.URL, uc.WithBackupPath(dir))
	client.WaitForReady()
	stop()
	return dir
}

func bootstrap(t *testing.T, features string) uc.Storage {
	return &uc.BootstrapStorage{Reader: strings.NewReader(answered(t, features, ""))}
}

func TestWhatNoServerSentIsServedAtOnce(t *testing.T) {
	toggle := enabled(share100(variants("red=1", "")))
	t.Run("a backup", func(t *testing.T) {
		s := newSystem(t, nowhere, unleash.Options{}, uc.WithBackupPath(backup(t, toggle, "")))
		require.Equal(t, "on red", gets(t, s, "x", "alice", "control", "red"))
		_, err := ask(t, s, "y", "alice")
		require.ErrorIs(t, err, core.ErrFlagNotFound)
	})
	t.Run("bootstrap data", func(t *testing.T) {
		s := newSystem(t, nowhere, unleash.Options{Storage: unleash.NewStorage(bootstrap(t, toggle), nil)})
		require.Equal(t, "on red", gets(t, s, "x", "alice", "control", "red"))
	})
	t.Run("bootstrap data without our storage", func(t *testing.T) {
		client, _ := newClient(t, nowhere, uc.WithStorage(bootstrap(t, toggle)))
		require.Equal(t, "on red", gets(t, unleash.New(client, nil), "x", "alice", "control", "red"))
	})
	t.Run("what an up-to-date server refuses", func(t *testing.T) {
		legacy := with(`"variants":[{"name":"red","weight":1000},{"name":"blue","weight":0,"overrides":[{"contextName":"userId","values":["bob"]}]}]`,
			enabled(strategy("userWithId", "userIds=alice,bob")))
		s := newSystem(t, nowhere, unleash.Options{Storage: unleash.NewStorage(bootstrap(t, legacy), nil)})
		for key, want := range map[string]string{"alice": "red", "bob": "blue", "carol": "control"} {
			require.Equal(t, "conditional "+want, gets(t, s, "x", key, "control", "red", "blue"))
		}
	})
}

// Backups hold no segments, so a toggle that uses one would select nobody.
func TestBackupOfASegment(t *testing.T) {
	toggles := enabled(strategy("default", "", `"segments":[1]`)) + `,{"name":"y","enabled":true},{"name":"z","dependencies":[{"feature":"x"}]}`
	const segments = `{"id":1,"constraints":[]}`
	fresh, f := over(t, "", unleash.Options{})
	f.set(t, toggles, segments)
	eventually(t, func() bool { return failure(t, fresh) == nil })
	require.Equal(t, "conditional *", gets(t, fresh, "x", "alice"))

	s := newSystem(t, nowhere, unleash.Options{}, uc.WithBackupPath(backup(t, toggles, segments)))
	require.ErrorIs(t, failure(t, s), core.ErrNotReady)
	require.ErrorContains(t, failure(t, s), "segments")
	require.Equal(t, "on *", gets(t, s, "y", "alice"), "a toggle that needs no segment is fine")
	require.Equal(t, "off", gets(t, s, "z", "alice"))
}

func TestLoad(t *testing.T) {
	dir, s := t.TempDir(), unleash.NewStorage(nil, nil)
	s.Init(dir, "app")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unleash-repo-schema-v1-app.json"), []byte(`{"x":`+enabled()+`}`), 0o600))
	require.NoError(t, s.Load())
	_, ok := s.Get("x")
	require.True(t, ok)
	require.Len(t, s.List(), 1)
	require.NotNil(t, s.Known("x"))
}

func TestStorageMisused(t *testing.T) {
	client, _ := newClient(t, nowhere)
	s := unleash.NewStorage(nil, nil)
	err := failure(t, unleash.New(client, &unleash.Options{Storage: s}))
	require.ErrorIs(t, err, core.ErrNotReady)
	require.ErrorContains(t, err, "given to no client")
	first := newSystem(t, nowhere, unleash.Options{Storage: s})
	newSystem(t, nowhere, unleash.Options{Storage: s})
	require.ErrorContains(t, failure(t, first), "several clients")
}

func TestOnChange(t *testing.T) {
	changes := make(chan []string, 10)
	var system *system
	made := make(chan struct{})
	storage := unleash.NewStorage(nil, &unleash.StorageOptions{OnChange: func(names []string) {
		<-made
		if err := failure(t, system); err != nil { // which the client's own hooks must not ask
			t.Error(err)
		}
		changes <- names
	}})
	f := newFake(t, enabled()+`,{"name":"y"}`)
	system = newSystem(t, f.URL, unleash.Options{Storage: storage}, counting, seldom)
	close(made)
	require.Equal(t, []string{"x", "y"}, <-changes)
	f.set(t, enabled()+`,{"name":"y","enabled":true},{"name":"z"}`, "")
	require.Equal(t, []string{"y", "z"}, <-changes)
	f.set(t, enabled()+`,{"name":"z"}`, "")
	require.Equal(t, []string{"y"}, <-changes)
	f.set(t, enabled()+`,{"name":"z"}`, `{"id":1}`) // no toggle differs
	f.set(t, enabled(), "")
	require.Equal(t, []string{"z"}, <-changes)
}

func TestWhatTheClientKeepsToItselfIsLogged(t *testing.T) {
	t.Run("a panic of OnChange", func(t *testing.T) {
		log, calls := &logbook.Book{}, 0
		s := newSystem(t, nowhere, unleash.Options{Storage: unleash.NewStorage(nil, &unleash.StorageOptions{
			Logger: log.Logger(), OnChange: func([]string) { calls++; panic("in OnChange") }})})
		s.load(t, enabled())
		s.load(t, "")
		eventually(t, func() bool { return strings.Count(log.String(), "unleash: OnChange panicked") == 2 })
	})
	t.Run("a backup that fails", func(t *testing.T) {
		log := &logbook.Book{}
		s, _ := over(t, enabled(), unleash.Options{Storage: unleash.NewStorage(nil, &unleash.StorageOptions{Logger: log.Logger()})},
			uc.WithBackupPath(filepath.Join(t.TempDir(), "absent")))
		require.Contains(t, log.String(), "can't be backed up")
		require.NoError(t, failure(t, s))
	})
}

func TestServersThatDoNotAnswer(t *testing.T) {
	t.Run("a token that is refused", func(t *testing.T) {
		f := newFake(t, enabled())
		f.answer(http.StatusUnauthorized)
		s := newSystem(t, f.URL, unleash.Options{})
		eventually(t, func() bool { return f.fetches.Load() > 0 })
		require.ErrorIs(t, failure(t, s), core.ErrNotReady)
	})
	t.Run("silence, with the timeout of the package comment", func(t *testing.T) {
		gone := make(chan struct{})
		silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-gone:
			case <-r.Context().Done():
			}
		}))
		t.Cleanup(func() { close(gone); silent.Close() })
		s := newSystem(t, silent.URL, unleash.Options{}, counting, seldom, uc.WithHttpClient(&http.Client{Timeout: 20 * time.Millisecond}))
		require.ErrorIs(t, failure(t, s), core.ErrNotReady)
	})
	t.Run("no more: what it has is served", func(t *testing.T) {
		s, f := over(t, enabled(), unleash.Options{})
		f.answer(http.StatusUnauthorized)
		n := f.fetches.Load()
		eventually(t, func() bool { return f.fetches.Load() > n })
		require.NoError(t, failure(t, s))
		f.answer(0)
		f.set(t, "", "")
		eventually(t, func() bool { return failure(t, s) != nil })
	})
}

// requireReturns fails if f hangs.
func requireReturns(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it hangs")
	}
}

// Evaluations by a client that is being closed end, and later ones are ErrClosed.
func TestClose(t *testing.T) {
	f := newFake(t, enabled())
	for range 20 {
		s := newSystem(t, f.URL, unleash.Options{}, counting, seldom)
		s.client.WaitForReady()
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for {
					if err := failure(t, s); err != nil {
						if !errors.Is(err, unleash.ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		s.stop()
		requireReturns(t, group.Wait)
	}
	t.Run("without our storage and without metrics", func(t *testing.T) {
		client, stop := newClient(t, f.URL)
		client.WaitForReady()
		r := unleash.New(client, nil)
		require.NoError(t, failure(t, r))
		stop()
		require.NoError(t, failure(t, r), "it goes on answering")
	})
}

// A rollout has no goroutines of its own, and after the client's Close there is
// none left.
func TestNoLeaks(t *testing.T) {
	before, transport := goleak.IgnoreCurrent(), &http.Transport{}
	f := newFake(t, enabled())
	s := newSystem(t, f.URL, unleash.Options{Storage: unleash.NewStorage(nil, &unleash.StorageOptions{OnChange: func([]string) {}})},
		counting, seldom, uc.WithListener(unleash.Detach(&evaluator{update: func() {}})), uc.WithHttpClient(&http.Client{Transport: transport}))
	s.client.WaitForReady()
	require.NoError(t, failure(t, s))
	s.stop()
	require.ErrorIs(t, failure(t, s), unleash.ErrClosed)
	transport.CloseIdleConnections()
	f.Close()
	noleak.Require(t, before)
}

// A client that the team already has works too, over a copy of its toggles.
func TestWithoutStorage(t *testing.T) {
	f := newFake(t, `{"name":"x","enabled":false}`)
	client, _ := newClient(t, f.URL)
	client.WaitForReady()
	quick, slow := unleash.New(client, &unleash.Options{Refresh: time.Microsecond}), unleash.New(client, &unleash.Options{Refresh: time.Hour})
	for _, r := range []core.Rollout{quick, slow} {
		require.Equal(t, "off", gets(t, r, "x", "alice"))
		_, err := ask(t, r, "y", "alice")
		require.ErrorIs(t, err, core.ErrFlagNotFound)
	}
	f.set(t, enabled(share100(variants("red=1", ""))), "")
	eventually(t, func() bool { return gets(t, quick, "x", "alice", "control", "red") == "on red" })
	require.Equal(t, "off", gets(t, slow, "x", "alice"), "the copy is good for an hour, state and variant alike")

	var group sync.WaitGroup // for -race
	for range 4 {
		group.Go(func() {
			for range 200 {
				if _, err := ask(t, quick, "x", "alice", "control", "red"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// That there are no toggles is not kept for as long as toggles are.
func TestWithoutStorageNotReady(t *testing.T) {
	f := newFake(t, enabled())
	f.answer(http.StatusServiceUnavailable)
	client, _ := newClient(t, f.URL)
	r := unleash.New(client, &unleash.Options{Refresh: time.Hour})
	require.ErrorIs(t, failure(t, r), core.ErrNotReady)
	f.answer(0)
	eventually(t, func() bool { return failure(t, r) == nil })
}
