package realserver

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// probe stands in for a test and keeps how it ended.
type probe struct {
	testing.TB
	outcome string
}

func (p *probe) Helper()               {}
func (p *probe) Skipf(string, ...any)  { p.outcome = "skipped"; runtime.Goexit() }
func (p *probe) Fatalf(string, ...any) { p.outcome = "failed"; runtime.Goexit() }

// printed returns what the package prints from now on, for the whole test.
func printed(t *testing.T) *bytes.Buffer {
	var b bytes.Buffer
	out = &b
	t.Cleanup(func() { out = os.Stdout })
	return &b
}

func TestRequire(t *testing.T) {
	missing := errors.New("no such\nprogram")
	for _, c := range []struct {
		name, real, ci string
		err            error
		want, line     string
	}{
		{"nobody asked", "", "", nil, "skipped", ""},
		{"nobody asked, nor in CI", "", "true", missing, "skipped", ""},
		{"asked and there", "1", "", nil, "ran", "\nreal server: ran redis 7.0.15 at 127.0.0.1:7000\n"},
		{"asked and missing", "1", "", missing, "skipped", "\nreal server: skipped redis: no such program\n"},
		{"missing in CI", "1", "true", missing, "failed", ""},
		{"missing and strict", "strict", "", missing, "failed", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := printed(t)
			t.Setenv("ROLLOUTKIT_REAL", c.real)
			t.Setenv("CI", c.ci)
			p := &probe{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				Require(p, "redis", c.err)
				Ran("redis", "7.0.15", "127.0.0.1:7000")
				p.outcome = "ran"
			}()
			<-done
			require.Equal(t, c.want, p.outcome)
			require.Equal(t, c.line, b.String())
		})
	}
}

func TestProcess(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no program called sh on this machine")
	}
	silent := func() error { return errors.New("silent") }
	p, err := Start(exec.Command(shell, "-c", "exec sleep 600"))
	require.NoError(t, err)
	require.NoError(t, p.WaitUntil(time.Second, func() error { return nil }))
	if err := p.Pause(); !errors.Is(err, errors.ErrUnsupported) {
		require.NoError(t, err, "a paused process has to stop too")
	}
	p.Stop()
	p.Stop()

	p, err = Start(exec.Command(shell, "-c", "echo no licence; exit 3"))
	require.NoError(t, err)
	err = p.WaitUntil(time.Minute, silent)
	require.ErrorContains(t, err, "ended: exit status 3\nsilent\nno licence")

	p, err = Start(exec.Command(shell, "-c", "exec sleep 600"))
	require.NoError(t, err)
	require.ErrorContains(t, p.WaitUntil(0, silent), "not ready")
	p.Kill() // has ended

	_, err = Start(exec.Command("/no/such/program"))
	require.Error(t, err)
}

func TestInstall(t *testing.T) {
	t.Setenv("ROLLOUTKIT_CACHE", t.TempDir())
	_, err := Install("server", func(dir string) error {
		require.NoError(t, WriteFiles(dir, map[string]string{"half": ""}))
		return errors.New("interrupted")
	})
	require.ErrorContains(t, err, "interrupted")
	for range 2 {
		dir, err := Install("server", func(dir string) error {
			return WriteFiles(dir, map[string]string{"whole": "", "sub/folder": ""})
		})
		require.NoError(t, err)
		require.NoFileExists(t, filepath.Join(dir, "half"))
		require.FileExists(t, filepath.Join(dir, "whole"))
	}
}
