package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
)

// FuzzCookie: what is not signed is no visitor, and what is signed comes back.
func FuzzCookie(f *testing.F) {
	l := newLab(f, nil)
	f.Add("a_id", "id", "red", "AQ.AQ")
	f.Add("", "", "", ".")
	genuine := l.site.SealStamp(core.Visitor{ID: "id"}, "a_id")
	f.Add("a_id", "id", "red", genuine)
	f.Add("a_id", "id", "red", genuine+"=")
	f.Fuzz(func(t *testing.T, name, id, variant, forged string) {
		v, ok := l.site.OpenStamp(forged, name)
		require.True(t, !ok || forged == genuine && name == "a_id", "%v", v)
		want := core.Visitor{ID: id, Unit: variant, Entry: core.Entry{Variant: variant, Origin: core.SourceForced, Final: len(id)%2 == 0}}
		sealed := l.site.SealStamp(want, name)
		got, ok := l.site.OpenStamp(sealed, name)
		require.Equal(t, len(id) <= 200 && len(sealed) <= 1024, ok)
		if ok {
			require.Equal(t, want, got)
			_, ok = l.site.OpenStamp(sealed, name+"x")
			require.False(t, ok, "bound to the name")
		}
	})
}

// FuzzStamp: what decodes, encodes to something that decodes to the same.
func FuzzStamp(f *testing.F) {
	f.Add(web.Encode(core.Visitor{ID: "id", Unit: "0123", Entry: core.Entry{Variant: "red", Origin: core.SourceResolved}}, time.Unix(1e9, 0)))
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		v, at, ok := web.Decode(text)
		if !ok {
			return
		}
		again, then, ok := web.Decode(web.Encode(v, at))
		require.True(t, ok)
		require.Equal(t, v, again)
		require.Equal(t, at, then)
	})
}

// FuzzForce: whatever the parameter says, nobody is forced into what the
// experiment does not have, and nothing is without permission.
func FuzzForce(f *testing.F) {
	for _, value := range []string{"shop_pill_color:blue", "a:b:c", ":", "::", "shop_pill_color:blue:0.x", "a:b:zz.AAAA", "\x00:\xff", strings.Repeat(":", 99)} {
		f.Add(value)
	}
	l := newLab(f, allowForced)
	f.Fuzz(func(t *testing.T, value string) {
		experiment, variant, token, ok := web.ParseForce(value)
		if ok {
			require.NotEmpty(t, experiment)
			require.NotEmpty(t, variant)
			require.NotContains(t, experiment+variant+token, ":")
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = "glex_force=" + value
		ctx, _, _ := l.site.WithRequest(t.Context(), nil, r)
		require.NotEqual(t, core.SourceForced, l.exp.Assign(ctx, "anna").Source)
	})
}

// FuzzScript: whatever a key scheme and a nonce make of it, the data never
// leaves its element, and reads back as it was. Browsers look for "<" there and
// for nothing else.
func FuzzScript(f *testing.F) {
	for _, key := range []string{"</script><script>alert(1)</script>", "<!--<script>", "]]>", "\u2028", "&lt;", `"'\`, "\xff", "k"} {
		f.Add(key, key)
	}
	f.Fuzz(func(t *testing.T, key, nonce string) {
		l := newScript(t, key)
		ctx, _, _ := l.site.WithRequest(t.Context(), nil, httptest.NewRequest(http.MethodGet, "/", nil))
		a := l.exp.Publish(ctx, "anna")
		if a.Key == "" {
			return // an empty key is a fault of the unit
		}
		html := string(web.Script(ctx, nonce))
		tags := strings.Count(html, "<")
		require.Equal(t, 4, tags, "%q", html)
		require.Equal(t, 4, strings.Count(html, ">"), "%q", html)
		want, err := json.Marshal(key)
		require.NoError(t, err)
		var valid string
		require.NoError(t, json.Unmarshal(want, &valid)) // invalid UTF-8 becomes U+FFFD
		require.Equal(t, valid, published(t, dataBlock(t, html))["shop_pill_color"].Key)
	})
}

type scheme string

func (s scheme) Key([]byte, string, []core.Attr) (string, error) { return string(s), nil }

func newScript(t *testing.T, key string) *lab {
	client, err := core.New(core.Config{KeySecret: secret, NamePrefix: "shop", KeyScheme: scheme(key),
		Tracker: &tracking.Recorder{}})
	require.NoError(t, err)
	l := &lab{t: t, client: client}
	l.exp = l.define("pill_color")
	l.site, err = web.New(client, web.Config{Mount: "/experiment"})
	require.NoError(t, err)
	return l
}
