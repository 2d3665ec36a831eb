package browsertest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
)

// A scheme makes one key for everybody: whatever text is to be published.
type scheme string

func (s scheme) Key([]byte, string, []core.Attr) (string, error) { return string(s), nil }

// FuzzScript reads what web.Script makes as a browser does: two script elements,
// whatever is published, and in the first the JSON that went in.
func FuzzScript(f *testing.F) {
	for _, text := range []string{"</script>", "</SCRIPT ", "<!--<script>", "<!-- </script>", "-->", "]]>", "\u2028\u2029", `\u003c/script>`, "k"} {
		f.Add(text, "nonce")
		f.Add("k", text)
	}
	f.Fuzz(func(t *testing.T, key, nonce string) {
		client, err := core.New(core.Config{KeyScheme: scheme(key), KeySecret: []byte(strings.Repeat("s", 32)), NamePrefix: "shop"})
		require.NoError(t, err)
		exp := core.MustDefine(client, core.Definition[string, string]{Name: "page", Variants: []core.Variant[string, string]{{Name: "red"}},
			Unit: func(id string) core.Unit { return core.Actor(id) }})
		site, err := web.New(client, web.Config{Mount: "/experiment"})
		require.NoError(t, err)
		ctx, _, _ := site.WithRequest(t.Context(), nil, httptest.NewRequest(http.MethodGet, "/", nil))
		if exp.Publish(ctx, "anna").Key == "" {
			return // no key, so nothing to publish
		}
		tokens := html.NewTokenizer(strings.NewReader(string(web.Script(ctx, nonce)) + "<p>"))
		var read []string
		for tokens.Next() != html.ErrorToken {
			read = append(read, tokens.Token().String())
		}
		require.Len(t, read, 6, "%q", read)
		require.Equal(t, []string{"</script>", "</script>", "<p>"}, []string{read[2], read[4], read[5]}, "%q", read)

		tokens = html.NewTokenizer(strings.NewReader(string(web.Script(ctx, nonce))))
		tokens.Next()
		tokens.Next()
		var published map[string]core.Signature
		require.NoError(t, json.Unmarshal(tokens.Raw(), &published))
		require.Equal(t, joinInvalid(strings.ToValidUTF8(key, "\ufffd")), joinInvalid(published["shop_page"].Key))
	})
}

// joinInvalid makes one U+FFFD of several, as strings.ToValidUTF8 does.
func joinInvalid(s string) string {
	for strings.Contains(s, "\ufffd\ufffd") {
		s = strings.ReplaceAll(s, "\ufffd\ufffd", "\ufffd")
	}
	return s
}
