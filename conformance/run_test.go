package conformance

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestHarnessHasToBeSound(t *testing.T) {
	for want, harm := range map[string]func(h *Harness){
		"not usable as the name":               func(h *Harness) { h.Name = "../x" },
		"Harness.New is nil":                   func(h *Harness) { h.New = nil },
		"Harness.Unready is nil":               func(h *Harness) { h.Unready = nil },
		`"fly", which is no capability`:        func(h *Harness) { h.Unsupported = map[core.Capability]string{"fly": "no wings"} },
		"opts out of targets without a reason": func(h *Harness) { h.Unsupported = map[core.Capability]string{core.Targets: " "} },
	} {
		t.Run(want, func(t *testing.T) {
			h := over(reference{})
			harm(&h)
			rec, report := record(t, h)
			require.Len(t, rec.errors, 1)
			require.Contains(t, rec.errors[0], want)
			require.Empty(t, rec.subs, "laws were run all the same")
			require.False(t, report.Conformant())
			require.Len(t, report.Laws, len(Laws()))
			for _, res := range report.Laws {
				require.Equal(t, NotRun, res.Status)
			}
		})
	}
}

// With a reason, hooks may be nil.
func TestOptOutsReplaceHooks(t *testing.T) {
	h := over(reference{})
	inner := h.New
	h.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
		r, _ := inner(t, f)
		return r, nil
	}
	h.Unready = nil
	h.Unsupported = map[core.Capability]string{
		core.Reloads:         "flags are compiled in",
		core.ReportsNotReady: "flags are always there",
	}
	rec, report := record(t, h)
	require.False(t, rec.failed, rec.text())
	require.True(t, report.Conformant())
	for law, reason := range map[string]string{
		"reloads":            "reloads: flags are compiled in",
		"not-ready":          "reports-not-ready: flags are always there",
		"pipeline-not-ready": "reports-not-ready: flags are always there",
	} {
		require.Contains(t, rec.subs[law].skipped, reason)
		require.Contains(t, report.Laws, Result{Law: law, Status: Unsupported, Needs: report.Laws[lawIndex(law)].Needs})
		require.Len(t, report.Laws[lawIndex(law)].Needs, 1)
	}
	require.Contains(t, report.Capabilities, Ability{Capability: core.Reloads, Reason: "flags are compiled in"})
	require.Contains(t, report.Capabilities, Ability{Capability: core.Targets, Supported: true})
	require.Empty(t, rec.subs["ramp"].skipped, "what can't reload is made anew")
}

func lawIndex(id string) int {
	for i, l := range Laws() {
		if l.ID == id {
			return i
		}
	}
	return -1
}

func TestDescriptionThatAgreesPasses(t *testing.T) {
	h := over(reference{})
	describing(core.Capabilities()...)(&h)
	rec, report := record(t, h)
	require.False(t, rec.failed, rec.text())
	require.True(t, report.Conformant())
}

// A run of some laws is no proof, and leaves the golden report alone.
func TestFilteredRunIsNotConformant(t *testing.T) {
	dir := t.TempDir()
	rec := &recorder{t: t, only: "off-disabled"}
	report := run(rec, over(reference{}), Laws(), options{dir: dir, limit: time.Minute})
	require.False(t, rec.failed, rec.text())
	require.False(t, report.Conformant())
	require.Equal(t, Passed, report.Laws[lawIndex("off-disabled")].Status)
	require.Equal(t, NotRun, report.Laws[lawIndex("targets")].Status)
	require.Contains(t, rec.logs[0], "is not compared")

	rec = &recorder{t: t, only: "off-disabled"}
	run(rec, over(reference{}), Laws(), options{dir: dir, update: true, limit: time.Minute})
	require.True(t, rec.failed)
	require.Contains(t, rec.errors[0], "is not written")
	require.Empty(t, files(t, dir))
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
	h := over(reference{})
	inner := h.New
	var report Report
	t.Run("skip", func(t *testing.T) {
		h.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
			if f.State == core.Off {
				t.Skip("this reference pretends that it can't make disabled flags today")
			}
			return inner(t, f)
		}
		report = run(realT{t}, h, Laws()[:3], options{dir: t.TempDir(), limit: time.Minute})
	})
	require.Equal(t, Passed, report.Laws[0].Status)
	require.Equal(t, NotRun, report.Laws[1].Status)
	require.False(t, report.Conformant())
}

func TestLawFailsIfAHookComplains(t *testing.T) {
	h := over(reference{})
	rec := &recorder{t: t}
	rec.Run("law", func(sub tester) {
		report := newReport(suiteRollout, h.Name, core.Capabilities(), nil)
		res := Result{Law: "law", Status: NotRun}
		report.enforce(sub, options{limit: time.Minute}, clause{check: func(t tester, _ *watched) []string {
			t.Errorf("the server is gone")
			return nil
		}}, &res)
		require.Equal(t, Failed, res.Status)
	})
}

func TestNoRollout(t *testing.T) {
	h := over(reference{})
	h.New = func(*testing.T, Flag) (core.Rollout, func(Flag)) { return nil, nil }
	h.Unready = func(*testing.T) core.Rollout { return nil }
	rec, report := record(t, h)
	require.False(t, report.Conformant())
	require.Contains(t, rec.subs["off-disabled"].errors[0], "Harness.New returned no rollout")
	require.Contains(t, rec.subs["not-ready"].errors[0], "Harness.Unready returned no rollout")
}

func TestWatch(t *testing.T) {
	t.Run("problems", func(t *testing.T) {
		require.Nil(t, watch(time.Minute, func(*watched) []string { return nil }))
		require.Equal(t, []string{"x"}, watch(time.Minute, func(*watched) []string { return []string{"x"} }))
		require.Equal(t, []string{"stop"}, watch(time.Minute, func(*watched) []string { abortf("stop"); return nil }))
	})
	t.Run("panic", func(t *testing.T) {
		got := watch(time.Minute, func(*watched) []string { panic("oh") })
		require.Len(t, got, 1)
		require.Contains(t, got[0], "panic: oh")
		require.Contains(t, got[0], "run_test.go")
	})
	t.Run("panics in parallel", func(t *testing.T) {
		got := watch(time.Minute, func(w *watched) []string {
			return w.parallel(3, func(g int) {
				if g == 1 {
					panic("oh")
				}
			})
		})
		require.Len(t, got, 1)
		require.Contains(t, got[0], "panic: oh")
	})
	t.Run("goexit", func(t *testing.T) {
		got := watch(time.Minute, func(*watched) []string { runtime.Goexit(); return nil })
		require.Equal(t, []string{"the check was ended by runtime.Goexit"}, got)
	})
	t.Run("hang", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release, ended := make(chan struct{}), make(chan struct{})
			got := watch(patience, func(w *watched) []string {
				defer close(ended)
				<-release
				w.onTest(func() { t.Error("called after the test was over") })
				return nil
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
			require.Nil(t, watch(patience, func(w *watched) []string {
				for range 100 {
					time.Sleep(patience / 2)
					w.progress()
				}
				return nil
			}))
		})
	})
	t.Run("a slow hook", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			require.Nil(t, watch(patience, func(w *watched) []string {
				w.onTest(func() { time.Sleep(time.Hour) })
				return nil
			}))
		})
	})
	t.Run("on the goroutine of the test", func(t *testing.T) {
		stack := func() string {
			b := make([]byte, 1<<16)
			return string(b[:runtime.Stack(b, false)])
		}
		inside, outside := "", ""
		watch(time.Minute, func(w *watched) []string {
			inside = stack()
			w.onTest(func() { outside = stack() })
			return nil
		})
		require.NotContains(t, inside, "testing.tRunner")
		require.Contains(t, outside, "testing.tRunner")
	})
}

func TestGolden(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "testdata")
	h := over(reference{})
	suite := func(update bool, laws []Law) *recorder {
		rec := &recorder{t: t}
		run(rec, h, laws, options{dir: dir, update: update, limit: time.Minute})
		return rec
	}

	rec := suite(false, Laws()[:4])
	require.False(t, rec.failed, rec.text())
	require.Len(t, rec.logs, 1)
	require.Contains(t, rec.logs[0], "ROLLOUTKIT_UPDATE=1 go test writes it")
	require.Empty(t, files(t, dir))

	rec = suite(true, Laws()[:4])
	require.False(t, rec.failed, rec.text())
	path := filepath.Join(dir, "conformance-reference.json")
	require.Equal(t, []string{path}, files(t, dir))
	first, err := os.ReadFile(path)
	require.NoError(t, err)

	rec = suite(false, Laws()[:4])
	require.False(t, rec.failed, rec.text())
	require.Empty(t, rec.logs)
	suite(true, Laws()[:4])
	again, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(first), string(again), "a report differs from run to run")

	h.Remote = "on <the> moon"
	h.Unsupported = map[core.Capability]string{core.Targets: "too far"}
	rec = suite(false, Laws()[1:5])
	require.True(t, rec.failed)
	require.Equal(t, `the report is no longer the one in `+path+`:
	remote: was "", is "on <the> moon"
	capability targets: was supported, is unsupported (too far)
	law description: was passed, is absent
	law spread-is-conditional: was absent, is passed
ROLLOUTKIT_UPDATE=1 go test rewrites it, if that is meant`, rec.errors[0])

	rec = suite(true, Laws()[1:5])
	require.False(t, rec.failed, rec.text())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "on <the> moon")

	deciding(func(d *core.Decision, _ core.Request) { d.State = 9 })(&h)
	rec = suite(true, Laws()[1:5])
	require.True(t, rec.failed)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(text), string(after), "a failing run was written")

	for _, broken := range []string{"", "{", `{"suite": 1}`, `{"colour": "red"}`} {
		require.NoError(t, os.WriteFile(path, []byte(broken), 0o600))
		h = over(reference{})
		rec = suite(false, Laws()[:4])
		require.True(t, rec.failed)
		require.Contains(t, rec.errors[0], path+" is no conformance report")
	}

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	rec = suite(true, Laws()[:4])
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
	require.Len(t, r.Laws, len(Laws()))
}

func TestFaultsAreFew(t *testing.T) {
	var f faults
	require.Nil(t, f.done())
	for i := range 12 {
		f.addf("unit %d", i)
	}
	require.Len(t, f.done(), maxFaults+1)
	require.True(t, strings.HasPrefix(f.done()[maxFaults], "and 7 more"))
}
