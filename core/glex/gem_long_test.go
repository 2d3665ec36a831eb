package glex_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
)

// randomFloat returns any bit pattern, a decimal number of any length around the
// limits of Ruby's exponent, or a number of quarters.
func randomFloat() float64 {
	switch rand.IntN(3) {
	case 0:
		return math.Float64frombits(rand.Uint64())
	case 1:
		f, _ := strconv.ParseFloat(fmt.Sprintf("%de%d", rand.Int64N(1<<rand.IntN(62)), rand.IntN(44)-22), 64)
		return f
	}
	return float64(rand.Int64N(2e17)) / 4
}

// Floats have the most rules of all values.
func TestGemHashesTheSameFloats(t *testing.T) {
	realserver.RequireLong(t, "it asks for 20,000 floats")
	g := startGem(t)
	floats, questions := make([]float64, 20_000), make([]question, 20_000)
	for i := range floats {
		floats[i] = randomFloat()
		bits := binary.BigEndian.AppendUint64(nil, math.Float64bits(floats[i]))
		questions[i] = question{"ask": "key", "name": "pill_color", "context": []any{[]any{hexOf("v"), []any{"Float", hex.EncodeToString(bits)}}}}
	}
	for i, a := range g.ask(questions...) {
		require.Empty(t, a.Error)
		key, err := glex.Scheme{}.Key(nil, "pill_color", []core.Attr{glex.Float("v", floats[i])})
		require.NoError(t, err)
		require.Equal(t, a.Key, key, "%x", floats[i])
	}
}

// Visitors go to and fro between a Rails application, with the real gem, and Go.
func TestGemKnowsTheSameVisitors(t *testing.T) {
	realserver.RequireLong(t, "it sends visitors to and fro")
	g := startGem(t)
	const secretKeyBase = "0123456789abcdef"
	cookies := newCookies(t, glex.RailsKey{SecretKeyBase: secretKeyBase})
	visit := func(cookie string, actor ...any) answer {
		q := question{"ask": "visit", "name": "pill_color", "prefix": hexOf("gitlab"), "secret": hexOf(recordedSecret),
			"secret_key_base": secretKeyBase, "context": []any{[]any{hexOf("actor"), actor}, pair("version", 1)}}
		if cookie != "" {
			q["cookie"] = cookie
		}
		a := g.ask(q)[0]
		require.Empty(t, a.Error)
		return a
	}
	requireSame := func(a answer, id string, actor core.Attr) {
		t.Helper()
		c := glex.Context{Attrs: []core.Attr{actor, core.Int("version", 1)}, Cookie: id}
		key, older, err := c.Keys(glex.Scheme{}, recordedSecret, fullName)
		require.NoError(t, err)
		require.Equal(t, a.Key, key)
		require.Equal(t, a.Older, append([]string{}, older...))
	}
	for i := range 100 {
		a := visit("", "nil") // Rails meets the visitor first
		require.Len(t, a.SetCookie, 1)
		id, err := cookies.Read(requestWith(a.SetCookie[0]), fullName)
		require.NoError(t, err)
		requireSame(a, id, glex.Nil("actor"))

		id = glex.NewVisitorID() // Go meets the visitor first
		cookie := cookies.New(fullName, id)
		a = visit(cookie.Name+"="+cookie.Value, "nil")
		require.Empty(t, a.SetCookie, "Rails trusts the cookie and sets no other")
		requireSame(a, id, glex.Nil("actor"))

		a = visit(cookie.Name+"="+cookie.Value, "Integer", fmt.Sprint(i)) // who signs in
		requireSame(a, id, core.Int("actor", i))
		require.Len(t, a.SetCookie, 1)
		deleted, err := http.ParseSetCookie(a.SetCookie[0])
		require.NoError(t, err)
		require.Equal(t, cookie.Name, deleted.Name)
		require.Empty(t, deleted.Value)
	}
}
