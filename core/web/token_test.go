package web_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

// A token made without the site is as good as one of the site's, whichever of
// the two secrets the site signs with.
func TestForceTokenWithoutSite(t *testing.T) {
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
			l := newLab(t, c.site)
			token, err := web.ForceToken(c.by, "shop_pill_color", "blue", time.Hour)
			require.NoError(t, err)
			link := "/?" + web.DefaultForceParam + "=" + url.QueryEscape(token)
			body, _ := l.browser().get(link)
			require.Equal(t, c.want, body)
			l.site.SetClock(func() time.Time { return time.Now().Add(2 * time.Hour) })
			body, _ = l.browser().get(link)
			require.Equal(t, "red resolved", body, "expired")
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
		"short secret":       {web.Secrets{KeySecret: secret, Secret: secret[1:]}, "a", "b", time.Hour, "web: Secret has 31 bytes"},
		"empty secret":       {web.Secrets{KeySecret: secret, Secret: []byte{}}, "a", "b", time.Hour, "web: Secret has 0 bytes"},
		"no experiment":      {good, "", "b", time.Hour, `full name ""`},
		"illegal experiment": {good, "A:b", "b", time.Hour, `full name "A:b" of an experiment is not allowed: 1 to 100 of a-z`},
		"no variant":         {good, "a", "", time.Hour, `variant name ""`},
		"illegal variant":    {good, "a", "b,c", time.Hour, `variant name "b,c" is not allowed: 1 to 100 of A-Z`},
		"no time":            {good, "a", "b", 0, "can't last 0s; it needs at least 1s"},
		"past":               {good, "a", "b", -time.Hour, "can't last -1h0m0s"},
		"over at once":       {good, "a", "b", time.Second - 1, "can't last 999.999999ms"},
	} {
		token, err := web.ForceToken(c.by, c.experiment, c.variant, c.ttl)
		require.ErrorContains(t, err, c.want, name)
		require.Empty(t, token, name)
	}
	l := newLab(t, allowForced)
	_, err := l.site.ForceToken("shop_pill_color", "blue", 0)
	require.ErrorContains(t, err, "can't last 0s")
	_, err = l.site.ForceToken("shop_pill_color", core.Control, time.Second)
	require.NoError(t, err)
}

// What experiments and variants can be called is what there can be tokens for.
func TestForceTokenKnowsLegalNames(t *testing.T) {
	for _, name := range []string{
		"", "a", "A", "0", "_a", "a_", "a0_./-z", "a b", "a ", " a", "A.b-c_d e", "a/b", "a:b", "a,b", "a\n", "a\x00", "ä", "a\xff",
		strings.Repeat("a", 100), strings.Repeat("a", 101),
	} {
		client, err := core.New(core.Config{KeySecret: secret})
		require.NoError(t, err)
		for _, c := range []struct{ experiment, variant string }{{name, "red"}, {"pill_color", name}} {
			_, legal := core.Define(client, core.Definition[string, string]{Name: c.experiment,
				Unit: func(id string) core.Unit { return core.Actor(id) }, Variants: []core.Variant[string, string]{{Name: c.variant}}})
			_, err := web.ForceToken(web.Secrets{KeySecret: secret}, c.experiment, c.variant, time.Hour)
			require.Equal(t, legal == nil, err == nil, "%q %q: %v, %v", c.experiment, c.variant, legal, err)
		}
	}
}
