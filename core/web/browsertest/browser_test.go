package browsertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/realserver"
)

const root = "../../.."

// hanging is how long a browser may take before a test counts as stuck.
const hanging = 2 * time.Minute

// A shop is a running examples/web.
type shop struct {
	t    *testing.T
	base string
}

// open starts the shop, and skips the test unless real servers are asked for and
// there is a browser.
func open(t *testing.T) *shop {
	realserver.Require(t, "chromium", nil)
	if _, err := browserPath(); err != nil {
		realserver.Require(t, "chromium", err)
	}
	binary := filepath.Join(t.TempDir(), "shop")
	build := exec.Command("go", "build", "-o", binary, "./examples/web")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(binary, "-addr", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	_, base, ok := strings.Cut(strings.TrimSpace(line), "The shop is open: ")
	require.True(t, ok, line)
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return &shop{t, base}
}

func browserPath() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("neither chromium nor google-chrome is installed")
}

// events returns what the shop tracked, assignment events and others.
func (s *shop) events() (all []core.Event) {
	s.t.Helper()
	resp, err := http.Get(s.base + "/events")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&all))
	return all
}

// A browser is a chromium of its own, with a new profile.
type browser struct {
	t    *testing.T
	shop *shop
	ctx  context.Context
}

func (s *shop) browser() *browser {
	path, err := browserPath()
	require.NoError(s.t, err)
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.ExecPath(path),
		chromedp.UserDataDir(profile(s.t)), chromedp.WSURLReadTimeout(hanging), chromedp.Flag("headless", true), chromedp.Flag("no-sandbox", true),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WindowSize(1000, 760))
	limited, stop := context.WithTimeout(context.Background(), hanging)
	s.t.Cleanup(stop)
	allocated, stop := chromedp.NewExecAllocator(limited, options...)
	s.t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(allocated)
	s.t.Cleanup(func() { _ = chromedp.Cancel(ctx); stop() })
	b := &browser{s.t, s, ctx}
	b.do(chromedp.Navigate("about:blank"))
	realserver.Ran("chromium", eval[string](b, `navigator.userAgent`), s.base)
	return b
}

// profile returns a directory for a browser. Processes of the browser that
// outlive it may still write there when the test ends, and then TempDir fails.
func profile(t *testing.T) string {
	dir, err := os.MkdirTemp("", "rolloutkit-chromium-")
	require.NoError(t, err)
	t.Cleanup(func() {
		for try := 0; os.RemoveAll(dir) != nil && try < 100; try++ {
			time.Sleep(100 * time.Millisecond)
		}
	})
	return dir
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, steps...))
}

func (b *browser) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.shop.base + path))
}

// eval returns what an expression yields in the page.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err)
	return v
}

// script runs statements in the page.
func (b *browser) script(statements string) {
	b.t.Helper()
	require.True(b.t, eval[bool](b, "(() => {"+statements+"; return true })()"))
}

// variant returns the landing page's, as the page's script knows it.
func (b *browser) variant() string {
	b.t.Helper()
	b.visit("/")
	shown := eval[string](b, `document.getElementById("variant")?.textContent ?? "control"`)
	require.Equal(b.t, shown, eval[string](b, `experiments.variant("shop_landing")`), "the script and the markup agree")
	return shown
}

func (b *browser) signUp(name string, staff bool) {
	b.t.Helper()
	b.visit("/")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=name]"), name))
	if staff {
		b.do(chromedp.Click(chromedp.CSS("input[name=staff]")))
	}
	b.do(chromedp.Click(chromedp.CSS("#signup")), chromedp.WaitVisible(chromedp.CSS("#gift")))
}

// like clicks and returns whether the event was taken.
func (b *browser) like() string {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS("#like")), chromedp.WaitVisible(chromedp.CSS("#thanks")))
	return eval[string](b, `document.getElementById("thanks").dataset.taken`)
}

// header sends headers with all that follows.
func (b *browser) header(name, value string) {
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{name: value}})
		return err
	}))
}

// cookies returns the names of those that the browser has for the page.
func (b *browser) cookies() (names []string) {
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		got, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{})
		for _, c := range got.Cookies {
			names = append(names, c.Name)
		}
		return err
	}))
	return names
}

// withoutScripts turns JavaScript off.
func (b *browser) withoutScripts() {
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}

// shoot saves a picture of the page.
func (b *browser) shoot(name string) {
	b.t.Helper()
	dir := filepath.Join(root, "out", "screenshots")
	require.NoError(b.t, os.MkdirAll(dir, 0o777))
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o666))
}
