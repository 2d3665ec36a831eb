package glex_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
)

func TestContextKeysAreTheGems(t *testing.T) {
	var golden struct {
		Vectors []struct {
			N                           int
			Secret, Prefix, Name, Class *string
			Bits                        int
			Context                     [][]any
			StickyTo                    []any `json:"sticky_to"` // value and class
			Steps                       [][][]any
			FullName                    string `json:"full_name"`
			Hashed                      any    // a text, or how long it was
			Key                         string
			Error                       []string
		}
	}
	readRecorded(t, "context_keys_public.json", &golden)
	var keys, refused int
	for _, v := range golden.Vectors {
		t.Run(fmt.Sprint(v.N), func(t *testing.T) {
			given := orEmpty(v.Name)
			if given == "" {
				given = orEmpty(v.Class)
			}
			full, err := glex.Name(strings.TrimPrefix(given, ":"))
			if v.Error != nil && v.Error[0] == "ArgumentError" {
				require.Error(t, err)
				keys++
				return
			}
			require.NoError(t, err)
			if v.Prefix != nil {
				full = *v.Prefix + "_" + full
			}
			require.Equal(t, v.FullName, full)

			c, err := recordedContext(t, append([][][]any{v.Context}, v.Steps...)...)
			if sticky := v.StickyTo; sticky != nil {
				hashed, _ := v.Hashed.(string)
				hashed = strings.TrimPrefix(hashed, orEmpty(v.Secret)+"|"+full)
				c.StickyTo, err = stickyTo(t, sticky[0], sticky[1].(string), hashed)
			}
			if err != nil {
				require.ErrorContains(t, err, "container")
				refused++
				return
			}
			keys++
			key, _, err := c.Keys(glex.Scheme{Bits: v.Bits}, orEmpty(v.Secret), full)
			require.NoError(t, err)
			if v.Error != nil {
				// Ruby can't join a binary string with one in UTF-8; strings in
				// Go have no encoding, and are joined.
				require.Equal(t, "Encoding::CompatibilityError", v.Error[0])
				return
			}
			require.Equal(t, v.Key, key)
		})
	}
	t.Logf("%d keys, %d containers refused", keys, refused)
	require.Equal(t, len(golden.Vectors), keys+refused)
	require.NotZero(t, refused)
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// stickyTo returns what sticky_to stands for. hashed are the texts that Ruby
// makes of what is neither a Hash nor a String, each after a "|".
func stickyTo(t *testing.T, value any, class, hashed string) ([]core.Attr, error) {
	t.Helper()
	switch class {
	case "NilClass":
		return nil, nil
	case "String":
		return glex.Verbatim(value.(string)), nil
	case "Hash", "ActiveSupport::HashWithIndifferentAccess":
		var pairs [][]any
		for _, p := range pairsOf(value.([]any)) {
			name, value := p[0].([]any), p[1].([]any)
			pairs = append(pairs, []any{name[0], value[0], value[1], value[0]})
		}
		return recordedAttrs(t, pairs)
	}
	return glex.Elements(strings.Split(hashed, "|")[1:]...), nil
}

type signature struct {
	Variant, Experiment, Key string
	MigrationKeys            []string `json:"migration_keys"`
}

// requireKeys requires that both this package and the core make the keys of the
// gem's signature. The core has each key once.
func requireKeys(t *testing.T, c glex.Context, scheme glex.Scheme, secret string, want signature) {
	t.Helper()
	key, older, err := c.Keys(scheme, secret, want.Experiment)
	require.NoError(t, err)
	require.Equal(t, want.Key, key)
	require.Equal(t, want.MigrationKeys, older)

	a := assign(t, c, scheme, secret, want.Experiment)
	require.NoError(t, a.Err)
	require.Equal(t, once(want.Key, want.MigrationKeys), append([]string{a.Key}, a.MigrationKeys...))
	if want.Variant != "" {
		require.Equal(t, want.Variant, a.Variant)
	}
}

// once returns all keys, each once.
func once(key string, older []string) []string {
	keys := []string{key}
	for _, k := range older {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// assign assigns by the default_rollout :percent in an experiment of the core.
func assign(t *testing.T, c glex.Context, scheme glex.Scheme, secret, experiment string) core.Assignment {
	t.Helper()
	client, err := core.New(core.Config{KeyScheme: scheme, KeySecret: []byte(secret), InsecureNoSecret: true})
	require.NoError(t, err)
	e, err := core.Define(client, core.Definition[glex.Context, string]{
		Name: experiment, Unit: glex.Context.Unit, Rollout: glex.Percent(glex.Draw{Version: glex.V07}),
		Variants: []core.Variant[glex.Context, string]{{Name: "red"}, {Name: "blue"}},
	})
	require.NoError(t, err)
	return e.Assign(context.Background(), c)
}

func TestMigrationKeysAreTheGems(t *testing.T) {
	var golden struct {
		Signatures []struct {
			Note      string
			Steps     [][][]any
			Bits      int
			Signature signature
		}
	}
	readRecorded(t, "migrations.json", &golden)
	for _, v := range golden.Signatures {
		t.Run(v.Note, func(t *testing.T) {
			c, err := recordedContext(t, v.Steps...)
			if err != nil {
				require.ErrorContains(t, err, "container")
				return
			}
			secret := recordedSecret
			if v.Note == "no secret, 512 bits" {
				secret = ""
			}
			if v.Note == "migrated_with String key: added next to the Symbol key" {
				// Ruby has two keys of one name, which a unit can't.
				attrs := append(slices.Clone(c.Attrs), core.Int("version", 1))
				key, err := glex.Scheme{}.Key([]byte(secret), v.Signature.Experiment, attrs)
				require.NoError(t, err)
				require.Equal(t, v.Signature.MigrationKeys, []string{key})
				return
			}
			requireKeys(t, c, glex.Scheme{Bits: v.Bits}, secret, v.Signature)
		})
	}
}

func TestVisitorKeysAreTheGems(t *testing.T) {
	differs := map[string]string{
		`actor "" with cookie: not nil, so migrated`:                      "an empty actor is nobody here, nil or not, and the cookie stands in for it",
		`actor "" without cookie: no cookie is generated`:                 "an empty actor is an anonymous visitor here, who has no key",
		`cookie is the empty string, actor nil: the empty string is kept`: "an empty cookie is none, so that visitors without an id don't all become one",
	}
	var golden struct {
		Cookies []struct {
			Title    string
			Request  struct{ Cookies map[string]string }
			Calls    [][]any
			Observed struct {
				Results []struct {
					R   any
					Log [][]any
				}
			}
		}
	}
	readRecorded(t, "migrations.json", &golden)
	for _, v := range golden.Cookies {
		why := differs[v.Title]
		delete(differs, v.Title)
		t.Run(v.Title, func(t *testing.T) {
			contexts := map[string][][][]any{}
			var cookie string
			for _, value := range v.Request.Cookies {
				cookie = value
			}
			for i, call := range v.Calls {
				target, result := call[1].(string), v.Observed.Results[i]
				for _, entry := range result.Log {
					if entry[0] == "cookie_set_permanent_signed" {
						cookie = entry[2].(map[string]any)["value"].(string)
					}
				}
				switch call[0] {
				case "new":
					contexts[target] = [][][]any{pairsOf(call[3].(map[string]any)["context"].([]any))}
				case "context":
					contexts[target] = append(contexts[target], pairsOf(call[2].([]any)))
				case "signature":
					if !hasRequest(contexts[target]) {
						continue // the gem has a key for nobody
					}
					c, err := recordedContext(t, contexts[target]...)
					require.NoError(t, err)
					c.Cookie = cookie
					r := result.R.(map[string]any)
					want := signature{Experiment: r["experiment"].(string), Key: r["key"].(string)}
					older, _ := r["migration_keys"].([]any)
					for _, key := range older {
						want.MigrationKeys = append(want.MigrationKeys, key.(string))
					}
					if why == "" {
						requireKeys(t, c, glex.Scheme{}, recordedSecret, want)
						continue
					}
					t.Log("differs on purpose: " + why)
					require.NotEqual(t, want.Key, assign(t, c, glex.Scheme{}, recordedSecret, want.Experiment).Key)
				}
			}
		})
	}
	require.Empty(t, differs, "these cases are not in the file")
}

func hasRequest(calls [][][]any) bool {
	return slices.ContainsFunc(calls, func(pairs [][]any) bool {
		return slices.ContainsFunc(pairs, func(pair []any) bool { return pair[0] == "request" })
	})
}

func TestAnonymousVisitorHasNoKey(t *testing.T) {
	a := assign(t, glex.Context{Attrs: []core.Attr{glex.Nil("actor"), core.Int("project", 1)}}, glex.Scheme{}, recordedSecret, "pill_color")
	require.Equal(t, core.SourceNoUnit, a.Source)
	require.Empty(t, a.Key)
}

func TestKeyFaults(t *testing.T) {
	_, err := glex.Scheme{Bits: 128}.Key(nil, "shop_pill_color", nil)
	require.EqualError(t, err, "glex: experiment shop_pill_color: a key of 128 bits; the gem makes keys of 256, 384 and 512")
	actor := []core.Attr{core.String("actor", "1")}
	for name, attrs := range map[string][]core.Attr{
		"an attribute after elements": slices.Concat(glex.Elements("a"), actor),
		"elements after an attribute": slices.Concat(actor, glex.Elements("a")),
		"an attribute after a key":    slices.Concat(glex.Verbatim("a"), actor),
		"a key after an attribute":    slices.Concat(actor, glex.Verbatim("a")),
		"two keys":                    slices.Concat(glex.Verbatim("a"), glex.Verbatim("b")),
		"elements after a key":        slices.Concat(glex.Verbatim("a"), glex.Elements("b")),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := glex.Scheme{}.Key(nil, "shop_pill_color", attrs)
			require.ErrorContains(t, err, "experiment shop_pill_color: attributes of Elements or Verbatim stand beside others")
		})
	}
}

func TestKeyAllocatesItsResultOnly(t *testing.T) {
	secret, attrs := []byte(recordedSecret), []core.Attr{core.String("actor", "user:1"), core.Float("v", 1.5), core.Int("n", -3)}
	for _, bits := range []int{0, 384, 512} {
		require.Equal(t, 1.0, testing.AllocsPerRun(100, func() { _, _ = glex.Scheme{Bits: bits}.Key(secret, "gitlab_pill_color", attrs) }))
	}
}

// FuzzKey compares keys with SHA-256 of the parts joined by plain rules.
func FuzzKey(f *testing.F) {
	f.Add([]byte("s3cret"), "gitlab_pill_color", "actor", "user:1", 1e15, int64(-1))
	f.Add([]byte(nil), "", "", "|", 1e16, int64(math.MinInt64))
	f.Add([]byte("ключ|x"), "é", "a|b", "\xff\x00", math.NaN(), int64(0))
	f.Fuzz(func(t *testing.T, secret []byte, experiment, name, text string, v float64, n int64) {
		if strings.HasPrefix(name, "\x00") {
			t.Skip("the name stands for another form of key")
		}
		attrs := []core.Attr{core.String(name, text), glex.Float("f", v), core.Int("n", n), glex.Nil("none")}
		parts := []string{string(secret), experiment, name, "f", "n", "none", text, glex.Text(attrs[1]), strconv.FormatInt(n, 10), ""}
		sum := sha256.Sum256([]byte(strings.Join(parts, "|")))
		key, err := glex.Scheme{}.Key(secret, experiment, attrs)
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(sum[:]), key)
	})
}
