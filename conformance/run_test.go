package conformance

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestHarnessHasToBeSound(t *testing.T) {
	without := func(c core.Capability, reason string) map[core.Capability]string {
		return map[core.Capability]string{c: reason}
	}
	for want, harm := range map[string]func(h *Harness){
		"Harness.Name \"../x\" is not usable":  func(h *Harness) { h.Name = "../x" },
		"Harness.New is nil":                   func(h *Harness) { h.New = nil },
		"Harness.NotReady is nil":              func(h *Harness) { h.NotReady = nil },
		"Harness.NotReady is set":              func(h *Harness) { h.Unsupported = without(core.ReportsNotReady, "always ready") },
		`"fly", which is no capability`:        func(h *Harness) { h.Unsupported = without("fly", "no wings") },
		"opts out of targets without a reason": func(h *Harness) { h.Unsupported = without(core.Targets, " ") },
	} {
		t.Run(want, func(t *testing.T) {
			h := over(reference{})
			harm(&h)
			requireRefused(t, h.suite(), want)
		})
	}
	for want, harm := range map[string]func(h *StoreHarness){
		"StoreHarness.Name \"\" is not usable": func(h *StoreHarness) { h.Name = "" },
		"StoreHarness.New is nil":              func(h *StoreHarness) { h.New = nil },
		"StoreHarness.Corrupt is nil":          func(h *StoreHarness) { h.Corrupt = nil },
		"StoreHarness.Expiring is set":         func(h *StoreHarness) { h.Unsupported = without(Expires, "never") },
		`"targets", which is no capability`:    func(h *StoreHarness) { h.Unsupported = without(core.Targets, "no") },
	} {
		t.Run(want, func(t *testing.T) {
			h := refHarness(nil)
			harm(&h)
			requireRefused(t, h.suite(t), want)
		})
	}
}

func requireRefused[S any](t *testing.T, s suite[S], want string) {
	t.Helper()
	rec, report := record(t, s)
	require.Len(t, rec.errors, 1)
	require.Contains(t, rec.errors[0], want)
	require.Empty(t, rec.subs, "laws were run all the same")
	require.False(t, report.Conformant())
	require.Len(t, report.Laws, len(s.laws))
	for _, res := range report.Laws {
		require.Equal(t, NotRun, res.Status)
	}
}

// A run of some laws is no proof, and leaves the golden report alone.
func TestFilteredRunIsNotConformant(t *testing.T) {
	for _, update := range []bool{false, true} {
		dir := t.TempDir()
		rec := &recorder{t: t, only: "off-disabled"}
		report := over(reference{}).suite().run(rec, options{dir: dir, update: update, limit: time.Minute})
		require.False(t, report.Conformant())
		for _, res := range report.Laws {
			require.Equal(t, res.Law == "off-disabled", res.Status == Passed, res.Law)
		}
		require.Equal(t, update, rec.failed)
		require.Contains(t, append(rec.logs, rec.errors...)[0], "only a complete run that passes is")
		require.Empty(t, files(t, dir))
	}
	require.False(t, Report{}.Conformant())
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	return names
}

// A hook that skips or fails the test leaves its law open.
func TestHooksMayEndTheTest(t *testing.T) {
	var report Report
	t.Run("skip", func(t *testing.T) {
		h := over(reference{})
		h.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
			t.Skip("this reference pretends that it can't make flags today")
			return nil, nil
		}
		s := h.suite()
		s.laws = s.laws[:1]
		report = s.run(realT{t}, options{dir: t.TempDir(), limit: time.Minute})
	})
	require.Equal(t, NotRun, report.Laws[0].Status)
	require.False(t, report.Conformant())
}

func TestLawFailsIfAHookComplains(t *testing.T) {
	s := suite[*setup]{report: Report{Name: "x"}, setup: func(s *setup) *setup { return s },
		laws: []law[*setup]{{id: "law", check: func(s *setup) { s.t.Errorf("the server is gone") }}}}
	_, report := record(t, s)
	require.Equal(t, Failed, report.Laws[0].Status)
}

func TestHooksHaveToReturnSomething(t *testing.T) {
	h := over(reference{})
	h.New = func(*testing.T, Flag) (core.Rollout, func(Flag)) { return nil, nil }
	h.NotReady = func(*testing.T) core.Rollout { return nil }
	rec, _ := record(t, h.suite(), "off-disabled", "not-ready")
	require.Contains(t, rec.subs["off-disabled"].text(), "Harness.New returned no rollout")
	require.Contains(t, rec.subs["not-ready"].text(), "Harness.NotReady returned no rollout")
}

func TestWatch(t *testing.T) {
	t.Run("problems", func(t *testing.T) {
		require.Nil(t, watch(time.Minute, func(*watched) {}))
		require.Equal(t, []string{"x"}, watch(time.Minute, func(w *watched) { w.addf("x") }))
		require.Equal(t, []string{"stop"}, watch(time.Minute, func(*watched) { abortf("stop") }))
	})
	t.Run("many problems", func(t *testing.T) {
		got := watch(time.Minute, func(w *watched) {
			for i := range 12 {
				w.addf("unit %d", i)
			}
		})
		require.Len(t, got, maxFaults+1)
		require.Equal(t, "and 7 more of the kind", got[maxFaults])
	})
	t.Run("panic", func(t *testing.T) {
		got := watch(time.Minute, func(w *watched) {
			w.addf("x")
			panic("oh")
		})
		require.Len(t, got, 2)
		require.Contains(t, got[1], "panic: oh")
		require.Contains(t, got[1], "run_test.go")
	})
	t.Run("panics in parallel", func(t *testing.T) {
		got := watch(time.Minute, func(w *watched) {
			w.parallel(3, func(g int) {
				if g == 1 {
					panic("oh")
				}
			})
		})
		require.Len(t, got, 1)
		require.Contains(t, got[0], "panic: oh")
	})
	t.Run("goexit", func(t *testing.T) {
		got := watch(time.Minute, func(*watched) { runtime.Goexit() })
		require.Equal(t, []string{"the check was ended by runtime.Goexit"}, got)
	})
	t.Run("hang", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release, ended := make(chan struct{}), make(chan struct{})
			got := watch(hangLimit, func(w *watched) {
				defer close(ended)
				<-release
				w.onTest(func() { t.Error("called after the test was over") })
			})
			require.Len(t, got, 1)
			require.Contains(t, got[0], "hangs: nothing happened for 30s")
			require.Contains(t, got[0], "TestWatch", "the stacks show where")
			close(release)
			<-ended
		})
	})
	t.Run("slow but moving", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			require.Nil(t, watch(hangLimit, func(w *watched) {
				for range 100 {
					time.Sleep(hangLimit / 2)
					w.progress()
				}
			}))
		})
	})
	t.Run("a slow hook", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			require.Nil(t, watch(hangLimit, func(w *watched) {
				w.onTest(func() { time.Sleep(time.Hour) })
			}))
		})
	})
	t.Run("on the goroutine of the test", func(t *testing.T) {
		stack := func() string {
			b := make([]byte, 1<<16)
			return string(b[:runtime.Stack(b, false)])
		}
		inside, outside := "", ""
		watch(time.Minute, func(w *watched) {
			inside = stack()
			w.onTest(func() { outside = stack() })
		})
		require.NotContains(t, inside, "testing.tRunner")
		require.Contains(t, outside, "testing.tRunner")
	})
}

func TestGolden(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "testdata")
	path := filepath.Join(dir, "conformance-reference.json")
	h := over(reference{})
	run := func(update bool, from, to int) *recorder {
		rec := &recorder{t: t}
		s := h.suite()
		s.laws = s.laws[from:to]
		s.run(rec, options{dir: dir, update: update, limit: time.Minute})
		return rec
	}
	read := func() string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(text)
	}

	rec := run(false, 0, 4)
	require.False(t, rec.failed, rec.text())
	require.Len(t, rec.logs, 1)
	require.Contains(t, rec.logs[0], "ROLLOUTKIT_UPDATE=1 go test writes it")
	require.Empty(t, files(t, dir))

	rec = run(true, 0, 4)
	require.False(t, rec.failed, rec.text())
	require.Equal(t, []string{path}, files(t, dir))
	first := read()

	rec = run(false, 0, 4)
	require.False(t, rec.failed, rec.text())
	require.Empty(t, rec.logs)
	run(true, 0, 4)
	require.Equal(t, first, read(), "a report differs from run to run")

	h.Remote = "on <the> moon"
	h.Unsupported = map[core.Capability]string{core.Targets: "too far"}
	rec = run(false, 1, 5)
	require.True(t, rec.failed)
	require.Equal(t, `the report is no longer the one in `+path+`:
	remote: was "", is "on <the> moon"
	capability targets: was supported, is unsupported (too far)
	law description: was passed, is absent
	law spread-is-conditional: was absent, is passed
ROLLOUTKIT_UPDATE=1 go test rewrites it, if that is meant`, rec.errors[0])

	rec = run(true, 1, 5)
	require.False(t, rec.failed, rec.text())
	second := read()
	require.Contains(t, second, "on <the> moon")

	deciding(off)(&h)
	require.True(t, run(true, 1, 5).failed)
	require.Equal(t, second, read(), "a failing run was written")

	h = over(reference{})
	for _, broken := range []string{"", "{", `{"suite": 1}`, `{"colour": "red"}`} {
		require.NoError(t, os.WriteFile(path, []byte(broken), 0o600))
		rec = run(false, 0, 4)
		require.True(t, rec.failed)
		require.Contains(t, rec.errors[0], path+" is no conformance report")
	}

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	rec = run(true, 0, 4)
	require.True(t, rec.failed)
	require.Contains(t, rec.errors[0], "can't be written")
}

func TestReadReport(t *testing.T) {
	_, err := ReadReport(filepath.Join(t.TempDir(), "none.json"))
	require.ErrorIs(t, err, os.ErrNotExist)

	r, err := ReadReport("testdata/conformance-reference.json")
	require.NoError(t, err)
	require.True(t, r.Conformant())
	require.Equal(t, "reference", r.Name)
}
