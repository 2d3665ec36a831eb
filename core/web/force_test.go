package web_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

const forceBlue = "/?glex_force=shop_pill_color:blue"

func allowForced(c *core.Config, _ *web.Config) { c.AllowForced = true }

// mayForce permits testers, who send the header Tester.
func mayForce(c *core.Config, w *web.Config) {
	c.AllowForced = true
	w.MayForce = func(r *http.Request) bool { return r.Header.Get("Tester") != "" }
}

func TestForcedVariantIsKept(t *testing.T) {
	s := newShop(t, mayForce)
	page := s.visit(forceBlue)
	require.Equal(t, "red resolved", page.body, "not everybody may")
	require.Equal(t, "no-store", page.header.Get("Cache-Control"))

	b := s.browser().with("Tester", "1")
	page = b.get(forceBlue)
	require.Equal(t, "blue forced", page.body)
	require.Equal(t, "no-store", page.header.Get("Cache-Control"))
	require.Equal(t, 1, s.store.writes, "it is stored at once")
	require.Equal(t, "blue stored", b.get("/").body)
	s.events.Take()
	require.Equal(t, "blue stored", b.get("/?user=anna").body, "it survives the sign-in")
	require.Equal(t, core.SourceForced, s.events.Take()[0].Origin, "and marks the events")
}

func TestWhatForcesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		path, header, value string
		change              func(*core.Config, *web.Config)
	}{
		"the client forbids it": {path: forceBlue, change: func(c *core.Config, w *web.Config) {
			mayForce(c, w)
			c.AllowForced = false
		}},
		"MayForce panics": {path: forceBlue, change: func(c *core.Config, w *web.Config) {
			c.AllowForced, w.MayForce = true, func(*http.Request) bool { panic("broken") }
		}},
		"cross-site":       {path: forceBlue, header: "Sec-Fetch-Site", value: "cross-site"},
		"prefetch":         {path: forceBlue, header: "Sec-Purpose", value: "prefetch;prerender"},
		"old prefetch":     {path: forceBlue, header: "Purpose", value: "prefetch"},
		"unknown variant":  {path: "/?glex_force=shop_pill_color:mauve"},
		"other experiment": {path: "/?glex_force=pill_color:blue"},
		"no variant":       {path: "/?glex_force=shop_pill_color"},
		"empty variant":    {path: "/?glex_force=shop_pill_color:"},
		"too many parts":   {path: "/?glex_force=shop_pill_color:blue:a:b"},
		"no token":         {path: "/?glex_force=shop_pill_color:blue:0.x", header: "Tester"},
		"too many":         {path: "/?" + strings.Repeat("glex_force=shop_pill_color:blue&", 21)},
	} {
		t.Run(name, func(t *testing.T) {
			if c.change == nil {
				c.change = mayForce
			}
			b := newShop(t, c.change).browser().with("Tester", "1").with(c.header, c.value)
			require.Equal(t, "red resolved", b.get(c.path).body)
		})
	}
}

func TestForceByHeaderOrAnotherParameter(t *testing.T) {
	s := newShop(t, func(c *core.Config, w *web.Config) {
		mayForce(c, w)
		w.ForceParam = "try"
	})
	tester := func() *browser { return s.browser().with("Tester", "1") }
	require.Equal(t, "blue forced", tester().get("/?try=shop_pill_color:blue").body)
	b := tester().with(web.ForceHeader, "shop_button:red, shop_pill_color:blue")
	require.Equal(t, "blue forced", b.get("/?glex_force=shop_pill_color:red").body)
}

func TestForceToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, allowForced)
		token, err := s.site.ForceToken("shop_pill_color", "blue", time.Hour)
		require.NoError(t, err)
		body := func(token string) string { return s.visit("/?glex_force=" + url.QueryEscape(token)).body }
		require.Equal(t, "blue forced", body(token))
		for name, forged := range map[string]string{
			"another variant":    strings.Replace(token, ":blue:", ":control:", 1),
			"another experiment": strings.Replace(token, "pill_color", "button", 1),
			"later":              strings.Replace(token, ":blue:", ":blue:z", 1),
			"no signature":       token[:strings.LastIndex(token, ".")],
		} {
			require.Equal(t, "red resolved", body(forged), name)
		}
		time.Sleep(time.Hour - time.Second)
		require.Equal(t, "blue forced", body(token))
		time.Sleep(time.Second)
		require.Equal(t, "red resolved", body(token), "expired")
	})
}

// A token made without the site is as good as one of the site's, whichever of
// the two secrets the site signs with.
func TestForceTokenWithoutASite(t *testing.T) {
	key, own, old := []byte(strings.Repeat("k", 32)), []byte(strings.Repeat("o", 40)), []byte(strings.Repeat("p", 32))
	keyed := func(c *core.Config, _ *web.Config) {
		c.AllowForced, c.KeySecret, c.PreviousSecrets = true, key, [][]byte{old}
	}
	owned := func(c *core.Config, w *web.Config) {
		keyed(c, w)
		w.Secret, w.PreviousSecrets = own, [][]byte{old}
	}
	for name, c := range map[string]struct {
		site func(*core.Config, *web.Config)
		by   web.Secrets
		want string
	}{
		"the client's":              {keyed, web.Secrets{KeySecret: key}, "blue forced"},
		"the client's former":       {keyed, web.Secrets{KeySecret: old}, "blue forced"},
		"another client's":          {keyed, web.Secrets{KeySecret: own}, "red resolved"},
		"not derived":               {keyed, web.Secrets{Secret: key}, "red resolved"},
		"the site's":                {owned, web.Secrets{Secret: own}, "blue forced"},
		"the site's former":         {owned, web.Secrets{Secret: old}, "blue forced"},
		"the site's goes first":     {owned, web.Secrets{KeySecret: key, Secret: own}, "blue forced"},
		"the client's has no say":   {owned, web.Secrets{KeySecret: key}, "red resolved"},
		"derived, though it is not": {owned, web.Secrets{KeySecret: own}, "red resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := web.ForceToken(c.by, "shop_pill_color", "blue", time.Hour)
			require.NoError(t, err)
			path := "/?" + web.DefaultForceParam + "=" + url.QueryEscape(token)
			require.Equal(t, c.want, newShop(t, c.site).visit(path).body)
		})
	}
}

func TestForceTokenRefuses(t *testing.T) {
	good := web.Secrets{KeySecret: secret}
	for name, c := range map[string]struct {
		by                  web.Secrets
		experiment, variant string
		ttl                 time.Duration
		want                string
	}{
		"no secret":          {web.Secrets{}, "a", "b", time.Hour, "KeySecret has 0 bytes; it needs at least 32"},
		"short key secret":   {web.Secrets{KeySecret: secret[1:]}, "a", "b", time.Hour, "KeySecret has 31 bytes"},
		"empty secret":       {web.Secrets{KeySecret: secret, Secret: []byte{}}, "a", "b", time.Hour, "web: Secret has 0 bytes"},
		"illegal experiment": {good, "A:b", "b", time.Hour, `full name "A:b" of an experiment is not allowed: 1 to 100 of a-z`},
		"illegal variant":    {good, "a", "b,c", time.Hour, `variant name "b,c" is not allowed: 1 to 100 of A-Z`},
		"past":               {good, "a", "b", -time.Hour, "can't last -1h0m0s; it needs at least 1s"},
		"over at once":       {good, "a", "b", time.Second - 1, "can't last 999.999999ms"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := web.ForceToken(c.by, c.experiment, c.variant, c.ttl)
			require.ErrorContains(t, err, c.want)
			require.Empty(t, token)
		})
	}
	site := newShop(t, allowForced).site
	_, err := site.ForceToken("shop_pill_color", "blue", 0)
	require.ErrorContains(t, err, "can't last 0s")
	_, err = site.ForceToken("pill_color", "blue", time.Hour)
	require.ErrorContains(t, err, `"pill_color"`)
	_, err = site.ForceToken("shop_pill_color", "mauve", time.Hour)
	require.ErrorContains(t, err, `"mauve"`)
	_, err = site.ForceToken("shop_pill_color", core.Control, time.Second)
	require.NoError(t, err)
}

// There can be tokens for exactly what experiments and variants can be called.
func TestForceTokenKnowsLegalNames(t *testing.T) {
	for _, name := range []string{
		"", "a", "A", "0", "_a", "a_", "a0_./-z", "a b", "a ", " a", "A.b-c_d e", "a/b", "a:b", "a,b", "a\n", "a\x00", "ä", "a\xff",
		strings.Repeat("a", 100), strings.Repeat("a", 101),
	} {
		client, err := core.New(core.Config{KeySecret: secret})
		require.NoError(t, err)
		for _, c := range []struct{ experiment, variant string }{{name, "red"}, {"pill_color", name}} {
			_, legal := core.Define(client, definition{Name: c.experiment, Unit: core.Actor[string],
				Variants: []core.Variant[string, string]{{Name: c.variant}}})
			_, err := web.ForceToken(web.Secrets{KeySecret: secret}, c.experiment, c.variant, time.Hour)
			require.Equal(t, legal == nil, err == nil, "%q %q: %v, %v", c.experiment, c.variant, legal, err)
		}
	}
}

// A page calls another service, which forces what the page does.
func TestTransportPassesForcesOn(t *testing.T) {
	backend, front := newShop(t, allowForced), newShop(t, allowForced)
	server := httptest.NewServer(backend.handler())
	defer server.Close()
	transport := &web.Transport{}
	call := func(ctx context.Context) string {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		resp, err := transport.RoundTrip(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(body)
	}
	front.page = func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, call(r.Context())) }
	token, err := front.site.ForceToken("shop_pill_color", "blue", time.Hour)
	require.NoError(t, err)
	forced := "/?glex_force=" + url.QueryEscape(token)
	require.Equal(t, "red resolved", front.visit(forced).body, "other hosts learn nothing")
	transport.Hosts = []string{strings.TrimPrefix(server.URL, "http://")}
	require.Equal(t, "blue forced", front.visit(forced).body)
	require.Equal(t, "red resolved", front.visit("/").body)
	require.Equal(t, "red resolved", call(t.Context()), "outside of a request there is nothing to pass on")
	transport.Base = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF }}
	_, err = (&http.Client{Transport: transport}).Get(server.URL)
	require.ErrorIs(t, err, io.EOF, "Base is asked")
}
