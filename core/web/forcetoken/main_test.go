package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

const (
	keySecret   = "the KeySecret of a shop, 32 bytes"
	webSecret   = "the secret of its site, of 32 bytes"
	otherSecret = "the secret of quite another shop"
)

// ran is what the command leaves.
type ran struct {
	code        int
	out, errors string
}

// command runs the command with the arguments in an environment.
func command(env map[string]string, args ...string) ran {
	var out, errors strings.Builder
	code := run(args, func(name string) string { return env[name] }, &out, &errors)
	return ran{code, out.String(), errors.String()}
}

// made returns what the command prints for the shop's experiment, less the end
// of the line.
func made(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	r := command(env, append([]string{"-experiment", "shop_pill_color", "-variant", "dark blue"}, args...)...)
	require.Zero(t, r.code, r.errors)
	require.Empty(t, r.errors)
	line, ended := strings.CutSuffix(r.out, "\n")
	require.True(t, ended && !strings.Contains(line, "\n"), "%q", r.out)
	return line
}

// shop returns a site that shows one experiment, which gives everybody red.
func shop(t *testing.T, cfg web.Config) http.Handler {
	t.Helper()
	client, err := core.New(core.Config{KeySecret: []byte(keySecret), NamePrefix: "shop", AllowForced: true,
		Tracker: core.TrackerFunc(func(context.Context, core.Event) error { return nil })})
	require.NoError(t, err)
	pillColor := core.MustDefine(client, core.Definition[string, string]{
		Name: "pill_color", Unit: func(id string) core.Unit { return core.Actor(id) },
		Variants: []core.Variant[string, string]{{Name: "red"}, {Name: "dark blue"}},
		Rollout: core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
			return core.Decision{State: core.Conditional, Variant: "red"}, nil
		}),
	})
	return web.MustNew(client, cfg).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := pillColor.Publish(r.Context(), "ada")
		_, _ = io.WriteString(w, a.Variant+" "+string(a.Source)+" "+r.FormValue("q"))
	}))
}

func TestSiteAccepts(t *testing.T) {
	own := web.Config{Secret: []byte(webSecret), ForceParam: "try"}
	const accepted, ignored = "dark blue forced a b", "red resolved a b"
	for name, c := range map[string]struct {
		cfg  web.Config
		env  map[string]string
		file string
		args []string
		want string
	}{
		"environment":       {env: map[string]string{keySecretEnv: keySecret}, want: accepted},
		"file":              {file: keySecret, want: accepted},
		"file with its end": {file: keySecret + "\n", want: accepted},
		"file first":        {file: keySecret, env: map[string]string{keySecretEnv: otherSecret}, want: accepted},
		"site's own":        {cfg: own, env: map[string]string{webSecretEnv: webSecret}, args: []string{"-web-secret", "-param", "try"}, want: accepted},
		"the other kind":    {file: keySecret, args: []string{"-web-secret"}, want: ignored},
		"one line too much": {file: keySecret + "\n\n", want: ignored},
		"not trimmed":       {env: map[string]string{keySecretEnv: keySecret + "\n"}, want: ignored},
		"another parameter": {env: map[string]string{keySecretEnv: keySecret}, args: []string{"-param", "try"}, want: ignored},
	} {
		t.Run(name, func(t *testing.T) {
			args := append(c.args, "-url", "https://shop.example/page?q=a+b")
			if c.file != "" {
				args = append(args, "-secret-file", secretFile(t, c.file))
			}
			w := httptest.NewRecorder()
			shop(t, c.cfg).ServeHTTP(w, httptest.NewRequest(http.MethodGet, made(t, c.env, args...), nil))
			require.Equal(t, c.want, w.Body.String())
		})
	}
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// The clock of the bubble is the site's and the command's.
func TestTokenExpires(t *testing.T) {
	for ttl, args := range map[time.Duration][]string{24 * time.Hour: nil, 90 * time.Minute: {"-for", "90m"}} {
		t.Run(ttl.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := shop(t, web.Config{})
				link := made(t, map[string]string{keySecretEnv: keySecret}, append(args, "-url", "https://shop.example/")...)
				shown := func() string {
					w := httptest.NewRecorder()
					site.ServeHTTP(w, httptest.NewRequest(http.MethodGet, link, nil))
					return w.Body.String()
				}
				time.Sleep(ttl - time.Second)
				require.Equal(t, "dark blue forced ", shown())
				time.Sleep(time.Second)
				require.Equal(t, "red resolved ", shown())
			})
		})
	}
}

func TestURLStaysAsItIs(t *testing.T) {
	env := map[string]string{keySecretEnv: keySecret}
	for page, parts := range map[string][2]string{
		"https://shop.example":                        {"https://shop.example?glex_force=", ""},
		"https://shop.example/?":                      {"https://shop.example/?glex_force=", ""},
		"http://localhost:8080/a%2Fb?z=%7e&a&b=1;2#x": {"http://localhost:8080/a%2Fb?z=%7e&a&b=1;2&glex_force=", "#x"},
		"https://shop.example/?glex_force=b:c":        {"https://shop.example/?glex_force=b:c&glex_force=", ""},
	} {
		t.Run(page, func(t *testing.T) {
			link := made(t, env, "-url", page)
			value, before := strings.CutPrefix(link, parts[0])
			value, after := strings.CutSuffix(value, parts[1])
			require.True(t, before && after, link)
			token, err := url.QueryUnescape(value)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(token, "shop_pill_color:dark blue:"), token)
		})
	}
}

func TestBadInput(t *testing.T) {
	env := map[string]string{keySecretEnv: keySecret, webSecretEnv: "short"}
	const named = "-experiment a -variant b "
	for _, c := range []struct {
		env        map[string]string
		args, want string
	}{
		{env, "", "-experiment is missing: the full name of one, such as shop_pill_color"},
		{env, "-experiment a", "-variant is missing: the name of one, such as blue"},
		{env, named + "-for 24", `invalid value "24" for flag -for: it takes a time such as 90m, 24h or 168h`},
		{env, named + "-for -24h", "a token can't last -24h0m0s; it needs at least 1s"},
		{env, named + "c", "there is an argument that belongs to no flag; a name with a space needs quotes"},
		{env, named + "-secret=x", "flag provided but not defined: -secret"},
		{env, named + "-param= -url /", "-param is empty: it takes a name such as glex_force"},
		{env, named + "-secret-file=", "-secret-file is empty: it takes the name of a file"},
		{env, named + "-url /page", `-url "/page" is not allowed: one such as https://shop.example/page`},
		{env, named + "-url ftp://a.example/", `-url "ftp://a.example/" is not allowed: one such as https://shop.example/page`},
		{env, named + "-web-secret", "Secret has 5 bytes; it needs at least 32"},
		{env, named + "-secret-file " + secretFile(t, "\n"), "KeySecret has 0 bytes; it needs at least 32"},
		{env, named + "-secret-file missing", "-secret-file can't be read: open missing: no such file or directory"},
		{nil, named, "there is no secret: set $ROLLOUTKIT_KEY_SECRET, or name a file with -secret-file"},
		{nil, named + "-web-secret", "there is no secret: set $ROLLOUTKIT_WEB_SECRET, or name a file with -secret-file"},
	} {
		t.Run(c.args, func(t *testing.T) {
			require.Equal(t, ran{2, "", "forcetoken: " + c.want + "\n"}, command(c.env, strings.Fields(c.args)...))
		})
	}
}

func TestHelp(t *testing.T) {
	r := command(nil, "-h")
	require.Zero(t, r.code)
	require.Empty(t, r.errors)
	for _, text := range []string{"-experiment", "-secret-file", keySecretEnv, webSecretEnv, `(default "glex_force")`} {
		require.Contains(t, r.out, text)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputFails(t *testing.T) {
	var complaint strings.Builder
	getenv := func(string) string { return keySecret }
	require.Equal(t, 1, run([]string{"-experiment", "a", "-variant", "b"}, getenv, full{}, &complaint))
	require.Equal(t, "forcetoken: no space left\n", complaint.String())
}
