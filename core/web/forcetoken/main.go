// Command forcetoken makes a token that forces a variant of an experiment on
// whoever presents it, for testers and support. It asks no running program; all
// that it needs is the site's secret, here from the environment:
//
//	go run github.com/rolloutkit/rolloutkit/core/web/forcetoken \
//		-experiment shop_pill_color -variant blue -for 24h -url https://shop.example/page
//
// It prints the token, or with -url that URL with the token in its query.
// -experiment is the full name, prefix included. Whether the site has such an
// experiment and variant is not known here; it ignores what it does not have.
// Its client needs core.Config.AllowForced.
//
// # The secret
//
// The secret is core.Config.KeySecret, from $ROLLOUTKIT_KEY_SECRET, or with
// -web-secret web.Config.Secret, from $ROLLOUTKIT_WEB_SECRET: that is for sites
// which have one, since they sign with it alone. -secret-file reads either from
// a file instead. No flag takes the secret itself, because everybody on the
// machine sees the arguments of processes, and shells keep them.
//
// Its bytes are taken as they are: those of the variable, or those of the file
// without one line feed at its end. Nothing is trimmed or decoded besides. A
// program that says []byte(os.Getenv("SECRET")) has the same bytes, even if they
// look like hexadecimal digits or base64. For one that decodes them, decode them
// here too; the echo adds the line feed that is cut:
//
//	{ printf %s "$SECRET" | base64 -d; echo; } | forcetoken -secret-file /dev/stdin ...
//
// A wrong secret can't be noticed here. The token is well formed, and the site
// ignores it.
//
// # The token
//
// Whoever has the token can use it until it expires. It can't be taken back,
// unless the site drops the secret: choose a short time. Testers paste the URL
// into the address bar. As a link on another site's page, such as a mail's in
// the browser, it forces nothing.
//
// Bad input is a sentence on standard error and the exit status 2, which go run
// turns into 1.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rolloutkit/rolloutkit/core/web"
)

// The environment variables.
const (
	keySecretEnv = "ROLLOUTKIT_KEY_SECRET"
	webSecretEnv = "ROLLOUTKIT_WEB_SECRET"
)

func main() {
	os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run does what the arguments say and returns the exit status.
func run(args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	text, err := answer(args, getenv)
	if err != nil {
		fmt.Fprintln(stderr, "forcetoken:", strings.TrimPrefix(err.Error(), "web: "))
		return 2
	}
	if _, err := fmt.Fprintln(stdout, text); err != nil {
		fmt.Fprintln(stderr, "forcetoken:", err)
		return 1
	}
	return 0
}

// answer returns what to print: the token, the URL with it, or the help.
func answer(args []string, getenv func(string) string) (string, error) {
	var help strings.Builder
	flags := flag.NewFlagSet("forcetoken", flag.ContinueOnError)
	flags.SetOutput(&help) // a line about a mistake is enough
	experiment := flags.String("experiment", "", "the full `NAME` of the experiment, prefix included")
	variant := flags.String("variant", "", "the `NAME` of the variant, or control")
	lasting := 24 * time.Hour
	flags.Func("for", "how long the token lasts, a `TIME` such as 90m or 24h (default 24h)", func(text string) (err error) {
		if lasting, err = time.ParseDuration(text); err != nil {
			err = errors.New("it takes a time such as 90m, 24h or 168h")
		}
		return err
	})
	page := flags.String("url", "", "print this `URL` with the token in its query, instead of the token")
	param := flags.String("param", web.DefaultForceParam, "the `NAME` of the query parameter, the site's web.Config.ForceParam")
	file := flags.String("secret-file", "", "read the secret from this `FILE`, less one line feed at its end, instead of the environment")
	ofWeb := flags.Bool("web-secret", false, "the secret is web.Config.Secret, by default from $"+webSecretEnv+
		"; without, it is core.Config.KeySecret, by default from $"+keySecretEnv)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return strings.TrimSuffix(help.String(), "\n"), nil
	case err != nil:
		return "", err
	case flags.NArg() > 0:
		// What it is stays unsaid: it may be somebody's secret.
		return "", errors.New("there is an argument that belongs to no flag; a name with a space needs quotes")
	case *experiment == "":
		return "", errors.New("-experiment is missing: the full name of one, such as shop_pill_color")
	case *variant == "":
		return "", errors.New("-variant is missing: the name of one, such as blue")
	case given(flags, "secret-file") && *file == "":
		return "", errors.New("-secret-file is empty: it takes the name of a file")
	case *param == "":
		return "", errors.New("-param is empty: it takes a name such as " + web.DefaultForceParam)
	}
	by, err := secrets(*ofWeb, *file, getenv)
	if err != nil {
		return "", err
	}
	token, err := web.ForceToken(by, *experiment, *variant, lasting)
	if err != nil || *page == "" {
		return token, err
	}
	return withQuery(*page, *param, token)
}

// given reports whether the arguments have a flag.
func given(flags *flag.FlagSet, name string) (is bool) {
	flags.Visit(func(f *flag.Flag) { is = is || f.Name == name })
	return is
}

// secrets returns the secret of the file, or of the environment if none is named.
func secrets(ofWeb bool, file string, getenv func(string) string) (web.Secrets, error) {
	env := keySecretEnv
	if ofWeb {
		env = webSecretEnv
	}
	secret := []byte(getenv(env))
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return web.Secrets{}, fmt.Errorf("-secret-file can't be read: %w", err)
		}
		secret = bytes.TrimSuffix(text, []byte("\n"))
	} else if len(secret) == 0 {
		return web.Secrets{}, fmt.Errorf("there is no secret: set $%s, or name a file with -secret-file", env)
	}
	if ofWeb {
		return web.Secrets{Secret: secret}, nil
	}
	return web.Secrets{KeySecret: secret}, nil
}

// withQuery returns the page's URL with one parameter more. The query that it
// has stays as it is, byte for byte, other forced variants included.
func withQuery(page, param, value string) (string, error) {
	u, err := url.Parse(page)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("-url %q is not allowed: one such as https://shop.example/page", page)
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += url.QueryEscape(param) + "=" + url.QueryEscape(value)
	return u.String(), nil
}
