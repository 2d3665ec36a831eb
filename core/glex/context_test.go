package glex

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/stretchr/testify/require"
)

type signature struct {
	Variant, Experiment, Key string
	MigrationKeys            []string `json:"migration_keys"`
}

type migrationVector struct {
	Note      string
	Steps     [][][]any
	Name      string
	Bits      int
	Signature signature
	Hashed    string
}

// goldenAttrs returns recorded pairs. contained says that one is a container.
func goldenAttrs(t *testing.T, pairs []any) (attrs []core.Attr, contained bool) {
	t.Helper()
	for _, p := range pairs {
		pair := p.([]any)
		name, ok := pair[0].(string)
		if !ok {
			name = pair[0].(map[string]any)["string"].(string) // a String, next to the Symbol of the same name
		}
		value := pair[1]
		if n, ok := value.(json.Number); ok {
			v, err := n.Int64()
			require.NoError(t, err)
			value = v
		}
		a, err := Any(name, value)
		if err != nil {
			require.ErrorContains(t, err, "container")
			contained = true
		}
		attrs = append(attrs, a)
	}
	return attrs, contained
}

// goldenContext returns the context of recorded calls, each a list of pairs.
func goldenContext(t *testing.T, steps ...[][]any) (c Context, contained bool) {
	t.Helper()
	for _, step := range steps {
		var plain []any
		for _, pair := range step {
			hash, isHash := pair[1].(map[string]any)
			pairs, _ := hash["hash"].([]any)
			switch name := pair[0].(string); {
			case name == "migrated_with" || name == "migrated_from":
				if !isHash || hash["hash"] == nil {
					continue // the gem ignores what is no Hash
				}
				attrs, in := goldenAttrs(t, pairs)
				contained = contained || in
				if name == "migrated_with" {
					c.MigratedWith = append(c.MigratedWith, attrs)
				} else {
					c.MigratedFrom = append(c.MigratedFrom, attrs)
				}
			case name == "sticky_to" && isHash:
				c.StickyTo, contained = goldenAttrs(t, pairs)
			case name == "sticky_to":
				c.StickyTo = Verbatim(pair[1].(string))
			default:
				plain = append(plain, pair)
			}
		}
		attrs, in := goldenAttrs(t, plain)
		contained = contained || in
		c.Attrs = merged(c.Attrs, attrs)
	}
	return c, contained
}

func TestMigrationKeysAreTheGems(t *testing.T) {
	var golden struct{ Signatures []migrationVector }
	readGolden(t, "migrations.json", &golden)
	for _, v := range golden.Signatures {
		t.Run(v.Note, func(t *testing.T) {
			c, contained := goldenContext(t, v.Steps...)
			if contained {
				return // goldenAttrs has seen the refusal
			}
			secret := goldenSecret
			if v.Note == "no secret, 512 bits" {
				secret = ""
			}
			if v.Note == "migrated_with String key: added next to the Symbol key" {
				// Ruby has two keys of one name, which attributes can't: the
				// older key is made of the whole context instead.
				c.MigratedWith = nil
				c.MigratedFrom = [][]core.Attr{append(slices.Clone(c.Attrs), core.Int("version", 1))}
			}
			key, migrations, err := c.Keys(Scheme{Bits: v.Bits}, []byte(secret), v.Name)
			require.NoError(t, err)
			require.Equal(t, v.Signature.Key, key)
			require.Equal(t, v.Signature.MigrationKeys, migrations)

			drawn, err := Draw{Version: V07}.Pick(v.Name, key, []string{"control", "red", "blue"})
			require.NoError(t, err)
			require.Equal(t, v.Signature.Variant, drawn)

			if v.Note == "migrated_with String key: added next to the Symbol key" {
				return // a unit can't have an attribute twice
			}
			requireUnit(t, c, Scheme{Bits: v.Bits}, secret, v.Signature)
		})
	}
}

// requireUnit requires that an experiment of the core, with the unit of c, has
// the keys of the gem, each once.
func requireUnit(t *testing.T, c Context, scheme Scheme, secret string, want signature) {
	t.Helper()
	client, err := core.New(core.Config{KeyScheme: scheme, KeySecret: []byte(secret), InsecureNoSecret: true})
	require.NoError(t, err)
	e, err := core.Define(client, core.Definition[Context, string]{
		Name:     want.Experiment,
		Unit:     Context.Unit,
		Variants: []core.Variant[Context, string]{{Name: "red"}, {Name: "blue"}},
		Rollout:  Percent(Draw{Version: V07}),
	})
	require.NoError(t, err)
	a := e.Assign(context.Background(), c)
	require.NoError(t, a.Err)
	require.Equal(t, want.Key, a.Key)
	require.Equal(t, want.Variant, a.Variant)
	var older []string
	for _, key := range want.MigrationKeys {
		if key != want.Key && !slices.Contains(older, key) {
			older = append(older, key)
		}
	}
	require.Equal(t, older, append([]string(nil), a.MigrationKeys...))
}

type cookieVector struct {
	Title   string
	Request struct{ Cookies map[string]string }
	Calls   [][]any
	Classes []any

	Observed struct {
		Results      []struct{ R any }
		CookiesAfter map[string]string `json:"cookies_after"`
	}
}

// cookieDiffers are the recorded cases in which a visitor gets another key here.
var cookieDiffers = map[string]string{
	`actor "" with cookie: not nil, so migrated`:                                                                                "an empty actor is nobody here, nil or not, and the cookie stands in for it",
	`cookie is the empty string, actor nil: the empty string is kept`:                                                           "an empty cookie is none, so that visitors without an id don't all become one",
	`actor "" without cookie: no cookie is generated`:                                                                           "an empty actor is an anonymous visitor here, who has no key",
	`DNT does not stop the cookie`:                                                                                              "has no key to compare: core/web asks DNT before it sets a cookie",
	`disabled experiment still sets the cookie on construction`:                                                                 "has no key to compare: nobody needs an id while an experiment is off",
	`flow: anonymous {actor:nil} run, then sign in {actor}: cached variant moves`:                                               "is a flow of two contexts, which TestVisitorSignsIn repeats",
	`flow with a second key: anonymous {actor:nil, project}, sign in {actor, project}: NOT migrated (keys differ), cookie lost`: "is a flow of two contexts, which TestVisitorSignsIn repeats",
}

func TestCookieKeysAreTheGems(t *testing.T) {
	var golden struct{ Cookies []cookieVector }
	readGolden(t, "migrations.json", &golden)
	seen := 0
	for _, v := range golden.Cookies {
		t.Run(v.Title, func(t *testing.T) {
			if why, differs := cookieDiffers[v.Title]; differs {
				seen++
				t.Log("differs on purpose: " + why)
				return
			}
			var steps [][][]any
			for i, call := range v.Calls {
				switch call[0] {
				case "new":
					steps = append(steps, pairsOf(call[3].(map[string]any)["context"]))
				case "context":
					steps = append(steps, pairsOf(call[2]))
				case "signature":
					r := v.Observed.Results[i].R.(map[string]any)
					want := signature{Experiment: r["experiment"].(string), Key: r["key"].(string)}
					older, _ := r["migration_keys"].([]any)
					for _, key := range older {
						want.MigrationKeys = append(want.MigrationKeys, key.(string))
					}
					c, contained := goldenContext(t, steps...)
					require.False(t, contained)
					if hasRequest(steps) {
						// A visitor who brings none was given the one that is there afterwards.
						name := plainCookieName(want.Experiment)
						if c.Cookie = v.Request.Cookies[name]; c.Cookie == "" {
							c.Cookie = v.Observed.CookiesAfter[name]
						}
					}
					key, migrations, err := c.Keys(Scheme{}, []byte(goldenSecret), want.Experiment)
					require.NoError(t, err)
					require.Equal(t, want.Key, key)
					require.Equal(t, want.MigrationKeys, migrations)
				}
			}
		})
	}
	require.Equal(t, len(cookieDiffers), seen, "a case that differs is not in the file")
}

func pairsOf(list any) (pairs [][]any) {
	for _, p := range list.([]any) {
		pairs = append(pairs, p.([]any))
	}
	return pairs
}

func hasRequest(steps [][][]any) bool {
	return slices.ContainsFunc(steps, func(step [][]any) bool {
		return slices.ContainsFunc(step, func(pair []any) bool { return pair[0] == "request" })
	})
}

// The recorded flow: an anonymous visitor, known by a cookie, signs in.
func TestVisitorSignsIn(t *testing.T) {
	const (
		cookie  = "00000000-0000-4000-8000-000000000001"
		visitor = "ab3203f6241baed2eb5415f68980d31e349fb6c4c737167bacb8a56ae27a80a8"
		user    = "782b6b3e6c9c82aee3968d71b1be1a477ea94664374bd5bcf64a6635368b17cf"
	)
	keys := func(attrs ...core.Attr) (string, []string) {
		key, older, err := Context{Attrs: attrs, Cookie: cookie}.Keys(Scheme{}, []byte(goldenSecret), "gitlab_pill_color")
		require.NoError(t, err)
		return key, older
	}
	key, older := keys(Nil("actor"))
	require.Equal(t, visitor, key)
	require.Empty(t, older)

	key, older = keys(core.String("actor", "user:5"))
	require.Equal(t, user, key)
	require.Equal(t, []string{visitor}, older)

	// With a second attribute the older key is not the one that the visitor
	// had, which is the gem's way and is kept.
	key, _ = keys(Nil("actor"), core.Int("project", 1))
	require.Equal(t, "c2d4818873c3a9c732056997739676c2fceafe33afdfb7883f8120386ece93ec", key)
	key, older = keys(core.String("actor", "user:5"), core.Int("project", 1))
	require.Equal(t, "95a3400139e0aebebf0b6e1d33292e591cfea04b7a63f24783ea6d13cad699f5", key)
	require.Equal(t, []string{visitor}, older)
}

func TestAnonymousVisitorHasNoUnit(t *testing.T) {
	client, err := core.New(core.Config{KeyScheme: Scheme{}, InsecureNoSecret: true})
	require.NoError(t, err)
	e, err := core.Define(client, core.Definition[Context, string]{Name: "pill_color", Unit: Context.Unit,
		Variants: []core.Variant[Context, string]{{Name: "red"}}})
	require.NoError(t, err)
	a := e.Assign(context.Background(), Context{Attrs: []core.Attr{Nil("actor"), core.Int("project", 1)}})
	require.Equal(t, core.SourceNoUnit, a.Source)
}
