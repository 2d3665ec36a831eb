package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Config says how experiments meet HTTP. The zero Config is fine: cookies for
// anonymous visitors, no links, no forced assignments, and visitors who ask not
// to be tracked are not.
type Config struct {
	// Secret signs cookies, links and tokens: at least 32 bytes. nil takes
	// secrets derived from those of the client, which rotate with them.
	Secret []byte

	// PreviousSecrets are what Secret replaced. What they signed is still read.
	PreviousSecrets [][]byte

	// Cookies are those of anonymous visitors.
	Cookies Cookies

	// Mount is the path under which links, client events and the client's
	// JavaScript are served, such as "/experiment". Empty serves none of them.
	Mount string

	// BaseURL goes before the path in links for mails, such as
	// "https://shop.example". Only [Site.LinkURL] needs it.
	BaseURL string

	// Redirect says where links without a valid signature may lead; see
	// [AllowHosts]. nil: nowhere. It is asked about safe URLs only.
	Redirect func(u *url.URL) bool

	// ForceParam is the query parameter that forces variants, by default
	// [DefaultForceParam]. It works on clients that have
	// core.Config.AllowForced.
	ForceParam string

	// MayForce says who may force variants without a token of
	// [Site.ForceToken]. nil: nobody.
	MayForce func(r *http.Request) bool

	// IgnorePrivacySignals ignores DNT and Sec-GPC.
	IgnorePrivacySignals bool

	// Consent reports whether the visitor agreed to be tracked. Without it no
	// event leaves and no new cookie is set. nil: everybody did. A panic
	// counts as a no.
	Consent func(r *http.Request) bool

	// Bot reports whether a machine asks, which is treated as a visitor without
	// consent. nil: nobody is a bot. A panic counts as a yes.
	Bot func(r *http.Request) bool

	// Visitor returns the id that another system's cookie gives the visitor in
	// the experiment of that full name, "" for none. It is asked where there is
	// no cookie of this package, so that visitors of the other system stay who
	// they are; it must not run experiments. ExpireVisitor returns the cookie
	// that deletes the other system's, when the visitor is known by name. Both
	// may be nil. Where the other system's cookies have the names of these, as
	// those of GitLab's gem do, set Cookies.Name, or one overwrites the other.
	Visitor       func(r *http.Request, experiment string) string
	ExpireVisitor func(experiment string) *http.Cookie

	// Origins may send client events, such as "https://www.shop.example",
	// besides the host that is asked.
	Origins []string

	// ClientEvent is asked about each event from a browser and may change it;
	// false drops it. nil takes all. A panic counts as a no.
	ClientEvent func(ctx context.Context, experiment string, ev *core.Event) bool

	// Logger receives panics of these functions. nil is slog.Default().
	Logger *slog.Logger

	// Insecure allows plain HTTP, for development: cookies are sent over it,
	// and links may lead to it and to any port.
	Insecure bool
}

// Cookies says what the cookies of anonymous visitors are like. The zero Cookies
// are secure ones.
type Cookies struct {
	// Name makes a cookie's name of an experiment's full name. nil is the full
	// name followed by "_id", with "~" for "/".
	Name func(experiment string) string

	// Host puts "__Host-" before names, which keeps other hosts of the same
	// domain from setting them. It excludes Domain and another Path.
	Host bool

	// Domain and Path as in [http.Cookie]. No Domain is the host alone, no Path
	// is "/".
	Domain, Path string

	// SameSite is Lax by default.
	SameSite http.SameSite

	// MaxAge is how long a cookie lasts, by default 180 days. A change of the
	// assignment starts it anew.
	MaxAge time.Duration
}

// DefaultForceParam is the query parameter that forces variants where
// Config.ForceParam is empty.
const DefaultForceParam = "glex_force"

// validate returns what is wrong with the Config, secrets and origins excepted.
func (c *Config) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("web: "+format, args...)) }
	cookies := &c.Cookies
	if cookies.Host && (cookies.Domain != "" || cookies.Path != "" && cookies.Path != "/" || c.Insecure) {
		fault("Cookies.Host allows neither Domain, another Path nor Insecure: browsers refuse such cookies")
	}
	if cookies.SameSite == http.SameSiteNoneMode && c.Insecure {
		fault("Cookies.SameSite is None, which browsers refuse together with Insecure")
	}
	if cookies.MaxAge < 0 {
		fault("Cookies.MaxAge is %v; it can't be negative", cookies.MaxAge)
	}
	if m := c.Mount; m != "" && (!strings.HasPrefix(m, "/") || strings.HasSuffix(m, "/") || strings.ContainsAny(m, "?#:%\\ \"'<>") || strings.Contains(m, "//")) {
		fault("Mount %q is not allowed: a path such as /experiment", m)
	}
	if c.BaseURL != "" {
		u, err := url.Parse(c.BaseURL)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
			u.Scheme != "https" && !(c.Insecure && u.Scheme == "http") {
			fault("BaseURL %q is not allowed: one such as https://shop.example", c.BaseURL)
		}
	}
	return errors.Join(faults...)
}

// setDefaults fills in what a valid Config leaves out.
func (c *Config) setDefaults() {
	cookies := &c.Cookies
	cookies.Path = cmp.Or(cookies.Path, "/")
	cookies.SameSite = cmp.Or(cookies.SameSite, http.SameSiteLaxMode)
	cookies.MaxAge = cmp.Or(cookies.MaxAge, 180*24*time.Hour)
	c.ForceParam = cmp.Or(c.ForceParam, DefaultForceParam)
	c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	c.Logger = cmp.Or(c.Logger, slog.Default())
}
