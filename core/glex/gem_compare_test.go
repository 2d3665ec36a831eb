package glex_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/stretchr/testify/require"
)

const goldenSecret = "s3cret"

// requestWith returns the request of a browser that keeps a Set-Cookie header.
func requestWith(header string) *http.Request {
	pair, _, _ := strings.Cut(header, ";")
	return &http.Request{Header: http.Header{"Cookie": {pair}}}
}

func TestGemHashesTheSameTexts(t *testing.T) {
	g, s := startGem(t), newSource(t)
	const n = 20_000
	questions, texts := make([]question, n), make([]string, n)
	for i := range questions {
		v, a := s.value(t, "a")
		if i%2 == 0 { // floats have the most rules
			f := s.float()
			v, a = []any{"Float", floatBits(f)}, glex.Float("a", f)
		}
		questions[i], texts[i] = question{"ask": "text", "value": v}, glex.Text(a)
	}
	g.ask(questions, func(i int, a answer) {
		require.Empty(t, a.Error, "%v", questions[i])
		require.Equal(t, g.unhex(a.Text), texts[i], "%v", questions[i])
	})
}

func TestGemMakesTheSameKeys(t *testing.T) {
	g, s := startGem(t), newSource(t)
	const n = 8_000
	type want struct {
		key   string
		older []string
	}
	questions, wants := make([]question, n), make([]want, n)
	for i := range questions {
		secret, prefix := s.text(8), s.text(4)
		scheme := glex.Scheme{Bits: []int{256, 384, 512}[s.IntN(3)]}
		q := question{"ask": "key", "name": "pill_color", "bits": scheme.Bits, "secret": hexOf(secret)}
		full, err := glex.FullName("pill_color")
		if s.IntN(2) == 0 {
			q["prefix"] = hexOf(prefix)
			full, err = glex.FullName("pill_color", prefix)
		}
		require.NoError(t, err)
		key, older, err := s.context(t, q).Keys(scheme, []byte(secret), full)
		require.NoError(t, err)
		questions[i], wants[i] = q, want{key, older}
	}
	g.ask(questions, func(i int, a answer) {
		require.Empty(t, a.Error, "%v", questions[i])
		require.Equal(t, g.unhex(a.Key), wants[i].key, "%v", questions[i])
		require.Equal(t, a.Older, append([]string{}, wants[i].older...), "%v", questions[i])
	})
}

func TestGemNamesTheSame(t *testing.T) {
	g, s := startGem(t), newSource(t)
	parts := []string{"Pill", "Color", "HTTP", "V2", "API", "s", "experiment", "Experiment", "_", "/", "::", "-", "é", "É", "İ", "X", "9", " ", "\n", "a"}
	const n = 8_000
	questions, names := make([]question, n), make([]string, n)
	for i := range questions {
		var b strings.Builder
		for range 1 + s.IntN(5) {
			b.WriteString(parts[s.IntN(len(parts))])
		}
		questions[i], names[i] = question{"ask": "name", "name": hexOf(b.String())}, b.String()
	}
	g.ask(questions, func(i int, a answer) {
		got, err := glex.FullName(names[i])
		if a.Error != "" {
			require.Contains(t, a.Error, "name is required", "%q", names[i])
			require.Error(t, err, "%q", names[i])
			return
		}
		require.NoError(t, err, "%q", names[i])
		require.Equal(t, g.unhex(a.Name), got, "%q", names[i])
	})
}

func TestGemDrawsTheSame(t *testing.T) {
	g, s := startGem(t), newSource(t)
	const configs, keys = 150, 100
	behaviours := []string{"control", "red", "blue", "green", "candidate"}
	var questions []question
	var draws []glex.Draw
	var orders [][]string
	for range configs {
		order := append([]string(nil), behaviours[:1+s.IntN(len(behaviours))]...)
		s.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		d := glex.Draw{Version: glex.V07, IncludeControl: s.IntN(2) == 0}
		q := question{"ask": "draw", "behaviours": order, "include_control": d.IncludeControl}
		n := 0 // names that the draw is among
		for _, name := range order {
			if name != core.Control {
				n++
			}
		}
		if d.IncludeControl {
			n++
		}
		if s.IntN(20) == 0 {
			n++ // which the gem refuses
		}
		shares := make([]float64, n)
		rest := 100.0
		for i := range shares {
			shares[i] = math.Floor(rest * s.Float64())
			if s.IntN(8) == 0 {
				shares[i] = rest * s.Float64()
			}
			rest -= shares[i]
			if i == n-1 && s.IntN(5) > 0 {
				shares[i] += rest
			}
		}
		switch s.IntN(3) {
		case 0:
			d.Array, q["distribution"] = shares, shares
		case 1:
			names := append([]string(nil), order...)
			if d.IncludeControl || n > len(order) {
				names = append([]string{"purple"}, names...)
			}
			hash := []any{}
			d.Hash = []glex.Share{}
			for i, share := range shares {
				d.Hash = append(d.Hash, glex.Share{names[i%len(names)], share})
				hash = append(hash, []any{names[i%len(names)], share})
			}
			q["distribution"] = map[string]any{"hash": hash}
		}
		for i := range keys {
			each := question{"name": "e", "key": hexOf(fmt.Sprintf("%s%d", s.text(3), i))}
			for k, v := range q {
				each[k] = v
			}
			questions, draws, orders = append(questions, each), append(draws, d), append(orders, order)
		}
	}
	failed := 0
	g.ask(questions, func(i int, a answer) {
		got, err := draws[i].Pick("e", g.unhex(questions[i]["key"].(string)), orders[i])
		if a.Error != "" {
			failed++
			require.Error(t, err, "%v: %s", questions[i], a.Error)
			return
		}
		require.NoError(t, err, "%v", questions[i])
		require.Equal(t, a.Variant, got, "%v", questions[i])
	})
	t.Logf("%d draws, of which the gem fails at %d", len(questions), failed)
}

// Visitors go to and fro between a Rails application, with the real gem, and Go.
func TestGemKnowsTheSameVisitors(t *testing.T) {
	g, s := startGem(t), newSource(t)
	const secretKeyBase = "0123456789abcdef"
	for _, digest := range []glex.Digest{glex.SHA1, glex.SHA256} {
		cookies, err := glex.NewRailsCookies(glex.RailsKey{SecretKeyBase: secretKeyBase, Digest: digest})
		require.NoError(t, err)
		visit := func(cookie string, actor ...any) question {
			q := question{"ask": "visit", "name": "pill_color", "prefix": hexOf("gitlab"), "secret": hexOf(goldenSecret),
				"secret_key_base": secretKeyBase, "digest": []string{"SHA1", "SHA256"}[digest],
				"context": []any{[]any{hexOf("actor"), actor}, []any{hexOf("version"), []any{"Integer", "1"}}}}
			if cookie != "" {
				q["cookie"] = cookie
			}
			return q
		}
		keys := func(id string, actor core.Attr) (string, []string) {
			key, older, err := glex.Context{Attrs: []core.Attr{actor, core.Int("version", 1)}, Cookie: id}.Keys(glex.Scheme{}, []byte(goldenSecret), "gitlab_pill_color")
			require.NoError(t, err)
			return key, append([]string{}, older...)
		}

		const n = 60
		var first, again, signedIn []question
		for range n {
			first = append(first, visit("", "nil"))
		}
		g.ask(first, func(_ int, a answer) { // Rails meets the visitor first
			require.Empty(t, a.Error)
			require.Len(t, a.SetCookie, 1)
			id, err := cookies.Read(requestWith(a.SetCookie[0]), "gitlab_pill_color")
			require.NoError(t, err)
			key, older := keys(id, glex.Nil("actor"))
			require.Equal(t, g.unhex(a.Key), key)
			require.Equal(t, a.Older, older)
		})

		ids := make([]string, n)
		for i := range ids { // Go meets the visitor first
			ids[i] = glex.NewVisitorID()
			if i%2 == 0 {
				ids[i] = s.text(9) + "x"
			}
			c := cookies.New("gitlab_pill_color", ids[i])
			again = append(again, visit(c.Name+"="+c.Value, "nil"))
			signedIn = append(signedIn, visit(c.Name+"="+c.Value, "Integer", fmt.Sprint(i)))
		}
		g.ask(again, func(i int, a answer) {
			require.Empty(t, a.Error)
			require.Empty(t, a.SetCookie, "Rails trusts the cookie and sets no other")
			key, _ := keys(ids[i], glex.Nil("actor"))
			require.Equal(t, g.unhex(a.Key), key)
		})
		g.ask(signedIn, func(i int, a answer) {
			require.Empty(t, a.Error)
			key, older := keys(ids[i], core.Int("actor", i))
			require.Equal(t, g.unhex(a.Key), key)
			require.Equal(t, a.Older, older)
			require.Len(t, a.SetCookie, 1, "Rails deletes the cookie")
			deleted, err := http.ParseSetCookie(a.SetCookie[0])
			require.NoError(t, err)
			require.Equal(t, glex.CookieName("gitlab_pill_color"), deleted.Name)
			require.Empty(t, deleted.Value)
		})
	}
}
