package web

import (
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
	// "glex_force". It works on clients that have core.Config.AllowForced.
	ForceParam string

	// MayForce says who may force variants without a token of
	// [Site.ForceToken]. nil: nobody.
	MayForce func(r *http.Request) bool

	// IgnorePrivacySignals has DNT and Sec-GPC mean nothing.
	IgnorePrivacySignals bool

	// Consent reports whether the visitor agreed to be tracked. Without it no
	// event leaves and no new cookie is set. nil: everybody did. A panic
	// counts as a no.
	Consent func(r *http.Request) bool

	// Bot reports whether a machine asks: its visits are no visits, as without
	// consent. nil: nobody is. A panic counts as a yes.
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

// defaultMaxAge is that of cookies.
const defaultMaxAge = 180 * 24 * time.Hour

// A Site connects the experiments of one client with HTTP. It is safe for many
// goroutines. Make it with [New].
type Site struct {
	client *core.Client
	cfg    Config
	log    *slog.Logger
	signer signer
	now    func() time.Time
}

// New returns the site of a client. Its errors, joined, say what is wrong with
// the Config.
func New(client *core.Client, cfg Config) (*Site, error) {
	if client == nil {
		return nil, errors.New("web: the client is nil")
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("web: "+format, args...)) }
	signer, err := newSigner(client, &cfg)
	if err != nil {
		faults = append(faults, err)
	}
	c := &cfg.Cookies
	if c.Host && (c.Domain != "" || c.Path != "" && c.Path != "/" || cfg.Insecure) {
		fault("Cookies.Host allows neither Domain, another Path nor Insecure: browsers refuse such cookies")
	}
	if c.SameSite == http.SameSiteNoneMode && cfg.Insecure {
		fault("Cookies.SameSite is None, which browsers refuse together with Insecure")
	}
	if c.MaxAge < 0 {
		fault("Cookies.MaxAge is %v; it can't be negative", c.MaxAge)
	}
	if m := cfg.Mount; m != "" && (!strings.HasPrefix(m, "/") || strings.HasSuffix(m, "/") || strings.ContainsAny(m, "?#:%\\ \"'<>") || strings.Contains(m, "//")) {
		fault("Mount %q is not allowed: a path such as /experiment", m)
	}
	if cfg.BaseURL != "" {
		u, err := url.Parse(cfg.BaseURL)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
			u.Scheme != "https" && !(cfg.Insecure && u.Scheme == "http") {
			fault("BaseURL %q is not allowed: one such as https://shop.example", cfg.BaseURL)
		}
	}
	for _, o := range cfg.Origins {
		if u, err := url.Parse(o); err != nil || u.Host == "" || o != u.Scheme+"://"+u.Host {
			fault("the origin %q is not allowed: one such as https://www.shop.example", o)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 {
		c.SameSite = http.SameSiteLaxMode
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultMaxAge
	}
	if cfg.ForceParam == "" {
		cfg.ForceParam = DefaultForceParam
	}
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	cfg.Secret, cfg.PreviousSecrets = nil, nil // the signer has its own copies
	s := &Site{client: client, cfg: cfg, log: cfg.Logger, signer: signer, now: time.Now}
	if s.log == nil {
		s.log = slog.Default()
	}
	return s, nil
}

// MustNew is [New] for main: it panics on an error.
func MustNew(client *core.Client, cfg Config) *Site {
	s, err := New(client, cfg)
	if err != nil {
		panic(err)
	}
	return s
}

// Handler returns next in a request scope: the ctx of its requests knows the
// visitor. It serves what is under Config.Mount by itself. It goes outside of
// whatever runs experiments, and works with any router.
func (s *Site) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := s.mounted(r.URL.Path); ok {
			s.serveMount(w, r, rest)
			return
		}
		if p := pageOf(r.Context()); p != nil && p.site == s {
			next.ServeHTTP(w, r)
			return
		}
		p := &page{site: s, r: r, w: w}
		p.r = r.WithContext(core.WithScope(r.Context(), p))
		defer p.seal()
		next.ServeHTTP((*writer)(p), p.r)
	})
}

// WithRequest opens the scope of a request where no middleware runs. The
// response has to be written to the writer that it returns, and finish to be
// called at the end, so that cookies are sent even if nothing is written.
// Without w, no cookies are set: whoever has none stays no-unit.
func (s *Site) WithRequest(ctx context.Context, w http.ResponseWriter, r *http.Request) (_ context.Context, _ http.ResponseWriter, finish func()) {
	p := &page{site: s, r: r, w: w, sealed: w == nil}
	ctx = core.WithScope(ctx, p)
	p.r = r.WithContext(ctx)
	if w == nil {
		return ctx, nil, func() {}
	}
	return ctx, (*writer)(p), p.seal
}

// Request returns the request in whose scope ctx is, for rules that need it. nil
// outside of one.
func Request(ctx context.Context) *http.Request {
	if p := pageOf(ctx); p != nil {
		return p.r
	}
	return nil
}

// AnonymousID returns the id that the visitor's cookie holds for the experiment
// of that full name, checked; "" if there is none or the request is in no scope.
// It is for those who pass an id by hand: an actor of that id is the unit of the
// visitor.
func AnonymousID(r *http.Request, experiment string) string {
	p := pageOf(r.Context())
	if p == nil {
		return ""
	}
	return p.Visitor(experiment, false).ID
}

func pageOf(ctx context.Context) *page {
	p, _ := core.ScopeOf(ctx).(*page)
	return p
}

// asked calls a function of the Config. If it panics, fallback is the answer.
func (s *Site) asked(what string, fallback bool, ask func() bool) (answer bool) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("experiment: panic", slog.String("in", what), slog.Any("panic", p))
			answer = fallback
		}
	}()
	return ask()
}
