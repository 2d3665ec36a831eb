package browsertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
)

const root = "../../.."

// hanging is how long a browser may take before a test counts as stuck.
const hanging = 2 * time.Minute

// A browser is a chromium with a new profile, and a shop of its own.
type browser struct {
	t    *testing.T
	base string // the shop's URL
	ctx  context.Context
}

// open opens a shop and a browser, and skips the test unless real servers are
// asked for and there is a browser.
func open(t *testing.T) *browser {
	realserver.Require(t, "chromium", nil)
	path, err := browserPath()
	if err != nil {
		realserver.Require(t, "chromium", err)
	}
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.ExecPath(path),
		chromedp.UserDataDir(profile(t)), chromedp.WSURLReadTimeout(hanging), chromedp.Flag("headless", true), chromedp.Flag("no-sandbox", true),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WindowSize(1000, 760))
	limited, stop := context.WithTimeout(context.Background(), hanging)
	t.Cleanup(stop)
	allocated, stop := chromedp.NewExecAllocator(limited, options...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(allocated)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); stop() })
	b := &browser{t, openShop(t), ctx}
	b.do(chromedp.Navigate("about:blank"))
	realserver.Ran("chromium", eval[string](b, `navigator.userAgent`), b.base)
	return b
}

// openShop runs examples/web and returns its URL.
func openShop(t *testing.T) string {
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
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	_, base, ok := strings.Cut(strings.TrimSpace(line), "The shop is open: ")
	require.True(t, ok, line)
	return base
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
func (b *browser) events() (all []core.Event) {
	b.t.Helper()
	resp, err := http.Get(b.base + "/events")
	require.NoError(b.t, err)
	defer resp.Body.Close()
	require.NoError(b.t, json.NewDecoder(resp.Body).Decode(&all))
	return all
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
	b.do(chromedp.Navigate(b.base + path))
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
