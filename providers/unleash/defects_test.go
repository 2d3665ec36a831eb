package unleash

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"
	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/noleak"
)

// The tests in this file show one defect of unleash-client-go v4.5.0 each, and
// what becomes of it here: guarded against, or a limit that the package comment
// names. Should a client without the defect come, the first half of a test
// fails, and the guard can go.

var (
	counting = uc.WithDisableMetrics(false)
	seldom   = uc.WithMetricsInterval(time.Hour) // sends nothing while a test runs
)

func TestDefectEvaluationAfterClose(t *testing.T) {
	t.Run("the client", func(t *testing.T) {
		f := newFake(t, "["+enabled()+"]")
		client, stop := openClient(t, f.URL, counting, seldom)
		stop()
		returned := make(chan struct{})
		go func() { client.GetVariant("x"); close(returned) }()
		<-client.Count() // sets it free: it waits for ever for somebody to count
		<-returned
	})
	t.Run("here", func(t *testing.T) {
		f := newFake(t, "["+enabled()+"]")
		for range 20 {
			s := NewStorage(nil, nil)
			client, stop := openClient(t, f.URL, counting, seldom, uc.WithStorage(s))
			r := New(client, &Options{Storage: s})
			eventually(t, func() bool { _, err := ask(r, "x", "alice"); return err == nil })
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					for {
						if _, err := ask(r, "x", "alice"); err != nil {
							if !errors.Is(err, ErrClosed) {
								t.Error(err)
							}
							return
						}
					}
				})
			}
			stop()
			requireReturns(t, group.Wait)
		}
	})
	t.Run("without our storage and without metrics", func(t *testing.T) {
		f := newFake(t, "["+enabled()+"]")
		client, stop := openClient(t, f.URL)
		r := New(client, nil)
		eventually(t, func() bool { _, err := ask(r, "x", "alice"); return err == nil })
		stop()
		_, err := ask(r, "x", "alice")
		require.NoError(t, err, "it goes on answering")
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

// An evaluator is a listener that evaluates a toggle, from the goroutine that
// every evaluation waits for.
type evaluator struct {
	uc.NoopListener
	update func()
}

func (l *evaluator) OnUpdate() { l.update() }

func TestDefectListenerDeadlock(t *testing.T) {
	t.Run("the client", func(t *testing.T) {
		f := newFake(t, "["+enabled()+"]")
		l := &evaluator{}
		asked, returned := make(chan *uc.Client, 1), make(chan struct{})
		l.update = func() { (<-asked).GetVariant("x"); close(returned) }
		client := newClient(t, f.URL, counting, seldom, uc.WithListener(l))
		client.WaitForReady()
		f.set(t, "["+enabled(share100())+"]", "")
		asked <- client
		<-client.Count() // the callback waits for itself to count
		<-returned
	})
	t.Run("here", func(t *testing.T) {
		f := newFake(t, "["+enabled()+"]")
		l := &evaluator{}
		s := NewStorage(nil, nil)
		var r *Rollout
		made, answers := make(chan struct{}), make(chan error, 100)
		l.update = func() {
			<-made
			_, err := ask(r, "x", "alice")
			answers <- err
		}
		client := newClient(t, f.URL, counting, seldom, uc.WithListener(Detach(l)), uc.WithStorage(s))
		r = New(client, &Options{Storage: s})
		close(made)
		client.WaitForReady()
		f.set(t, "["+enabled(share100())+"]", "")
		requireReturns(t, func() { require.NoError(t, <-answers) })
	})
}

func TestDefectPanickingListener(t *testing.T) {
	l := &evaluator{update: func() { panic("in a listener") }}
	update := func(t *testing.T, listener any) {
		f := newFake(t, "["+enabled()+"]")
		client := newClient(t, f.URL, uc.WithListener(listener))
		client.WaitForReady()
		for range 3 {
			n := f.fetches.Load()
			f.set(t, "["+enabled()+"]", "")
			eventually(t, func() bool { return f.fetches.Load() > n+1 })
		}
	}
	t.Run("the client", func(t *testing.T) {
		if inChild() {
			update(t, l)
			return
		}
		out, err := runChild(t)
		require.Error(t, err, "the process lives on")
		require.Contains(t, out, "panic: in a listener")
	})
	t.Run("here", func(t *testing.T) { update(t, Detach(l)) })
}

func TestDefectSilentServer(t *testing.T) {
	t.Run("the client", func(t *testing.T) {
		registering, answer := make(chan struct{}), make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/register") {
				close(registering)
				<-answer
			}
		}))
		t.Cleanup(s.Close)
		returned := make(chan struct{})
		go func() { newClient(t, s.URL, counting, seldom); close(returned) }()
		<-registering
		select {
		case <-returned:
			t.Error("NewClient does not wait for the server any more")
		default:
		}
		close(answer)
		<-returned
	})
	t.Run("with a timeout, as the package comment says", func(t *testing.T) {
		s := NewStorage(nil, nil)
		client := newClient(t, silent(t), counting, seldom, uc.WithStorage(s),
			uc.WithHttpClient(&http.Client{Timeout: 20 * time.Millisecond}))
		_, err := ask(New(client, &Options{Storage: s}), "x", "alice")
		require.ErrorIs(t, err, core.ErrNotReady)
	})
}

// silent returns the address of a server that never answers.
func silent(t *testing.T) string {
	gone := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-gone:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(gone); s.Close() })
	return s.URL
}

func TestDefectMutatedVariant(t *testing.T) {
	t.Cleanup(mendDisabledVariant)
	toggles := "[" + enabled(share100(constraint("userId", "IN", "alice"), variants(weightless, ""))) + `,{"name":"off"}]`
	r := offline(t, toggles, nil)
	alice := uc.WithVariantContext(ucontext.Context{UserId: "alice"})

	_, err := ask(r, "x", "alice")
	require.NoError(t, err)
	require.False(t, api.DISABLED_VARIANT.FeatureEnabled, "an evaluation here does no harm")

	r.client.GetVariant("x", alice)
	require.True(t, api.DISABLED_VARIANT.FeatureEnabled)
	require.True(t, r.client.GetVariant("nowhere", alice).Enabled, "every toggle that is off or absent is on now")

	for _, key := range []string{"alice", "bob"} {
		d, err := ask(r, "x", key)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"alice": "conditional *", "bob": "conditional control"}[key], decisionText(d))
	}
	d, err := ask(r, "off", "alice")
	require.NoError(t, err)
	require.Equal(t, core.Off, d.State)
	_, err = ask(r, "nowhere", "alice")
	require.ErrorIs(t, err, core.ErrFlagNotFound)
}

func TestDefectMissingParameter(t *testing.T) {
	for name, broken := range map[string]string{
		"stickiness": strategy("flexibleRollout", "rollout=50"),
		"group":      `{"name":"flexibleRollout","parameters":{"rollout":"50","stickiness":"default","groupId":7}}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := offline(t, "["+enabled(broken)+"]", nil)
			require.Panics(t, func() { r.client.GetVariant("x") })
			_, err := ask(r, "x", "alice")
			require.ErrorContains(t, err, `toggle "x": the Unleash client panicked`)
			require.ErrorContains(t, err, "interface conversion")
		})
	}
}

// TestDefectSharedBackup: a backup is called after the app alone, so a client of
// another server with the same appName and path serves it. A limit: give each
// server a path of its own.
func TestDefectSharedBackup(t *testing.T) {
	dir := t.TempDir()
	first, stop := openClient(t, newFake(t, "["+enabled()+"]").URL, uc.WithBackupPath(dir))
	first.WaitForReady()
	stop()
	require.FileExists(t, filepath.Join(dir, "unleash-repo-schema-v1-rolloutkit.json"))

	other := func(path string) error {
		s := NewStorage(nil, nil)
		r := New(newClient(t, nowhere, uc.WithBackupPath(path), uc.WithStorage(s)), &Options{Storage: s})
		_, err := ask(r, "x", "alice")
		return err
	}
	require.NoError(t, other(dir), "a toggle of the first server")
	require.ErrorIs(t, other(t.TempDir()), core.ErrNotReady)
}

// TestDefectBackupLosesSegments: backups hold none, so a toggle that uses one
// selects nobody while it comes from a backup. Everybody would be a control.
func TestDefectBackupLosesSegments(t *testing.T) {
	dir := t.TempDir()
	f := newFake(t, "[]")
	f.set(t, "["+enabled(strategy("default", "", `"segments":[1]`))+`,{"name":"y","enabled":true}`+
		`,{"name":"z","dependencies":[{"feature":"x"}]}]`, `[{"id":1,"constraints":[]}]`)
	s := NewStorage(nil, nil)
	client, stop := openClient(t, f.URL, uc.WithBackupPath(dir), uc.WithStorage(s))
	client.WaitForReady()
	d, err := ask(New(client, &Options{Storage: s}), "x", "alice")
	require.NoError(t, err)
	require.Equal(t, "conditional *", decisionText(d))
	stop()

	s = NewStorage(nil, nil)
	client = newClient(t, nowhere, uc.WithBackupPath(dir), uc.WithStorage(s))
	require.False(t, client.GetVariant("x").FeatureEnabled)
	r := New(client, &Options{Storage: s})
	_, err = ask(r, "x", "alice")
	require.ErrorIs(t, err, core.ErrNotReady)
	require.ErrorContains(t, err, "segments")
	for _, name := range []string{"y", "z"} {
		_, err = ask(r, name, "alice")
		require.NoError(t, err, "toggles that need no segment are fine")
	}
}

// TestDefectBackOff: after one 401, as during a change of tokens, the client
// pauses for ten intervals, and comes back one interval faster with each poll. A
// limit: what it has goes on being served.
func TestDefectBackOff(t *testing.T) {
	l := &errorListener{errors: make(chan error, 1)}
	s := NewStorage(nil, nil)
	f := newFake(t, "["+enabled()+"]")
	client := newClient(t, f.URL, uc.WithListener(Detach(l)), uc.WithStorage(s))
	client.WaitForReady()
	f.answer(http.StatusUnauthorized)
	require.ErrorContains(t, <-l.errors, "backing off to maximum (10.000000 times our interval)")
	_, err := ask(New(client, &Options{Storage: s}), "x", "alice")
	require.NoError(t, err)
	f.answer(0)
	f.set(t, "[]", "")
	eventually(t, func() bool { _, err := ask(New(client, &Options{Storage: s}), "x", "alice"); return err != nil })
}

func TestBadToken(t *testing.T) {
	f := newFake(t, "["+enabled()+"]")
	f.answer(http.StatusUnauthorized)
	s := NewStorage(nil, nil)
	client := newClient(t, f.URL, uc.WithStorage(s))
	eventually(t, func() bool { return f.fetches.Load() > 0 })
	_, err := ask(New(client, &Options{Storage: s}), "x", "alice")
	require.ErrorIs(t, err, core.ErrNotReady)
}

type errorListener struct {
	uc.NoopListener
	errors chan error
}

func (l *errorListener) OnError(err error) {
	select {
	case l.errors <- err:
	default:
	}
}

// TestDefectSegmentRace: the client reads segments without its lock while it
// replaces them. A limit: nothing outside of the client can hold that lock. The
// race detector sees it, in a process of its own.
func TestDefectSegmentRace(t *testing.T) {
	if !raceEnabled {
		t.Skip("only the race detector sees this: go test -race")
	}
	if !inChild() {
		out, err := runChild(t)
		require.Error(t, err)
		require.Contains(t, out, "resolveSegmentConstraints")
		require.Contains(t, out, "DATA RACE")
		return
	}
	f := newFake(t, "[]")
	s := NewStorage(nil, nil)
	client := newClient(t, f.URL, uc.WithStorage(s), uc.WithRefreshInterval(time.Millisecond))
	r := New(client, &Options{Storage: s})
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_, _ = ask(r, "x", "alice")
				}
			}
		})
	}
	for range 500 {
		f.set(t, "["+enabled(strategy("default", "", `"segments":[1]`))+"]", `[{"id":1,"constraints":[]}]`)
		n := f.fetches.Load()
		eventually(t, func() bool { return f.fetches.Load() > n })
	}
	close(done)
	group.Wait()
}

const childEnv = "ROLLOUTKIT_TEST_CHILD"

func inChild() bool { return os.Getenv(childEnv) != "" }

// runChild runs the calling test alone in another process, where [inChild] is true,
// and returns what that prints.
func runChild(t *testing.T) (string, error) {
	t.Helper()
	name := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.Command(os.Args[0], "-test.run", name, "-test.timeout", "1m")
	cmd.Env = append(os.Environ(), childEnv+"=1", "ROLLOUTKIT_REAL=", "GORACE=halt_on_error=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestNoLeaks: a rollout has no goroutines of its own, and after the client's
// Close there is none left.
func TestNoLeaks(t *testing.T) {
	before := goleak.IgnoreCurrent()
	transport := &http.Transport{}
	f := newFake(t, "["+enabled()+"]")
	s := NewStorage(nil, &StorageOptions{OnChange: func([]string) {}})
	client, stop := openClient(t, f.URL, counting, seldom, uc.WithStorage(s), uc.WithListener(Detach(&evaluator{update: func() {}})),
		uc.WithHttpClient(&http.Client{Transport: transport}))
	r := New(client, &Options{Storage: s})
	eventually(t, func() bool { _, err := ask(r, "x", "alice"); return err == nil })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := r.Resolve(ctx, core.Request{Experiment: "x", Key: "alice", Variants: []string{"control", "red"}})
	require.NoError(t, err, "a cancelled ctx changes nothing")
	stop()
	_, err = ask(r, "x", "alice")
	require.ErrorIs(t, err, ErrClosed)
	transport.CloseIdleConnections()
	f.server.Close()
	noleak.Require(t, before)
}
