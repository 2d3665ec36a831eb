package core_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// keyOf returns the key of a unit in pill_color.
func keyOf(u core.Unit) string { return core.KeyMaker(secret, "pill_color")(u) }

func TestKeyIsHexOfHMACOverTheDocumentedBytes(t *testing.T) {
	// printf '\001\012pill_color\005actor\000\001x' |
	//   openssl dgst -sha256 -mac HMAC -macopt key:0123456789abcdef0123456789abcdef
	const want = "0c7439be5267a2b9bde4b98cec2e15062cc0b44d55612052b1de52173a44ffdc"
	require.Equal(t, want, newLab(t, unit(core.Actor("x"))).exp.Assign(ctx, nobody).Key)
	require.Equal(t, want, keyOf(core.Actor("x")))
	require.Equal(t, want, keyOf(core.Actor("x").Traits(core.String("plan", "gold"))), "traits are no part of it")
}

func TestKeyCoversNameKindAndValueOfEveryAttribute(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []struct {
		name string
		unit core.Unit
	}{
		{"none", core.NewUnit()},
		{"actor", core.Actor("1")},
		{"another actor", core.Actor("2")},
		{"another name", core.NewUnit(core.String("user", "1"))},
		{"int", core.NewUnit(core.Int("actor", 1))},
		{"bool", core.NewUnit(core.Bool("actor", true))},
		{"float", core.NewUnit(core.Float("actor", 1))},
		{"two", core.NewUnit(core.String("actor", "1"), core.Int("project", 1))},
		{"two others", core.NewUnit(core.String("actor", "1"), core.Int("project", 2))},
		{"shifted", core.NewUnit(core.String("actor", "1p"), core.Int("roject", 1))},
		{"empty value", core.NewUnit(core.String("project", ""))},
		{"three", core.NewUnit(core.Int("a", 1), core.Int("b", 2), core.Int("c", 3))},
		{"three swapped", core.NewUnit(core.Int("a", 1), core.Int("b", 3), core.Int("c", 2))},
		{"negative", core.NewUnit(core.Int("a", -1))},
		{"not a number", core.NewUnit(core.Float("a", math.NaN()))},
		{"false", core.NewUnit(core.Bool("actor", false))},
	} {
		key := keyOf(c.unit)
		require.Regexp(t, "^[0-9a-f]{64}$", key)
		require.Empty(t, seen[key], c.name)
		seen[key] = c.name
	}
}

func TestKeyDependsOnExperimentAndSecret(t *testing.T) {
	l := newLab(t, nil)
	key := func(name string, secret byte) string {
		return l.define(func(c *core.Config, d *definition) {
			d.Name = name
			c.KeySecret = []byte(strings.Repeat(string(secret), 32))
		}).Assign(ctx, &user{ID: "1"}).Key
	}
	require.Equal(t, key("a", 'x'), key("a", 'x'))
	require.NotEqual(t, key("a", 'x'), key("b", 'x'))
	require.NotEqual(t, key("a", 'x'), key("a", 'y'))
}

func TestKeysAreOrderedByIdentityThenBySecret(t *testing.T) {
	l := newLab(t, nil)
	now, before := core.NewUnit(core.String("actor", "1"), core.Int("v", 2)), core.NewUnit(core.String("actor", "1"), core.Int("v", 1))
	gone := core.Actor("1")
	var want []string
	for _, u := range []core.Unit{now, before, gone} {
		for _, s := range secrets[:2] {
			want = append(want, l.assignUnit(u, s).Key)
		}
	}
	a := l.assignUnit(now.MigratedWith(core.Int("v", 1)).MigratedFrom(gone), secrets[:2]...)
	require.Equal(t, want, append([]string{a.Key}, a.MigrationKeys...))
	require.Equal(t, want[5], l.flag.last.Key, "the flag decides by the oldest")
	require.Equal(t, want[0], l.flag.last.Current, "and knows the newest")
}

func TestDerivedSecrets(t *testing.T) {
	l := newLab(t, func(c *core.Config, _ *definition) { c.PreviousSecrets = secrets[1:2] })
	cookies, links := l.client.DerivedSecrets("cookies"), l.client.DerivedSecrets("links")
	require.Len(t, cookies, 2)
	require.Len(t, cookies[0], 32)
	require.NotEqual(t, cookies[0], cookies[1])
	require.NotEqual(t, cookies[0], links[0])
	require.Equal(t, cookies, l.client.DerivedSecrets("cookies"))
	short, err := core.New(core.Config{InsecureNoSecret: true})
	require.NoError(t, err)
	require.Nil(t, short.DerivedSecrets("cookies"))
}

// A scheme makes readable keys.
type scheme struct{ err error }

func (s scheme) Key(secret []byte, experiment string, attrs []core.Attr) (string, error) {
	key := experiment
	for _, a := range attrs {
		key += fmt.Sprintf("|%s=%s", a.Name, a.Text())
	}
	if len(attrs) == 0 {
		key = ""
	}
	return key, s.err
}

func TestKeySchemeMakesTheKeysInTheOrderGiven(t *testing.T) {
	l := newLab(t, nil)
	define := func(s scheme, u core.Unit) *experiment {
		return l.define(all(unit(u), func(c *core.Config, _ *definition) { c.KeyScheme = s }))
	}
	u := core.NewUnit(core.String("z", "1"), core.Int("a", 2), core.Bool("m", true))
	a := define(scheme{}, u.StickyTo("z", "m").MigratedFrom(core.Actor("9"))).Assign(ctx, nobody)
	require.NoError(t, a.Err)
	require.Equal(t, "pill_color|z=1|m=true", a.Key)
	require.Equal(t, []string{"pill_color|actor=9"}, a.MigrationKeys)
	require.ErrorIs(t, define(scheme{errStore}, u).Assign(ctx, nobody).Err, errStore)
	require.ErrorContains(t, define(scheme{}, core.NewUnit()).Assign(ctx, nobody).Err, "made an empty key")
	require.NoError(t, define(scheme{}, u).Forget(ctx, nobody))
	require.NoError(t, l.client.TrackKey(ctx, "pill_color", a.Key, core.Event{Action: "visited"}), "a scheme's keys need not be hex")
}

// The tests below let two releases serve the same unit while a secret rotates:
// the old one knows only the old secret. TestPolicy has what each of them finds
// and leaves; these are what happens in between.

func releases(l *lab) (old, next func() core.Assignment) {
	return func() core.Assignment { return l.assignUnit(core.Actor("1"), secrets[1]) },
		func() core.Assignment { return l.assignUnit(core.Actor("1"), secrets[0], secrets[1]) }
}

func TestTheOldestKeyDecidesARace(t *testing.T) {
	l := newLab(t, nil)
	old, next := releases(l)
	l.store.beforeClaim = func() {
		l.flag.set(core.Conditional, "blue")
		serves(t, old(), "blue resolved/resolved")
	}
	serves(t, next(), "blue stored/resolved")
	l.flag.set(core.Conditional, "red")
	serves(t, old(), "blue stored/resolved")
}

func TestTheOldestKeyDecidesARaceOfRamps(t *testing.T) {
	l := newLab(t, nil)
	old, next := releases(l)
	l.flag.set(core.Conditional, "")
	next()
	l.store.beforeClaim = func() {
		l.flag.set(core.Conditional, "blue")
		serves(t, old(), "blue resolved/resolved was control")
	}
	l.flag.set(core.Conditional, "red")
	serves(t, next(), "blue stored/resolved was control")
}

func TestACopyThatFailsIsCountedAndTriedAgain(t *testing.T) {
	l := newLab(t, nil)
	old, next := releases(l)
	old()
	l.store.writeErr = errStore
	a := next()
	serves(t, a, "red stored/resolved")
	require.False(t, a.Degraded, "what is served is what is stored")
	require.EqualValues(t, 1, l.client.Stats().Degraded)
	require.Contains(t, l.log.String(), "operation=copy")
	require.Zero(t, l.stored(a))
	l.store.writeErr = nil
	require.Equal(t, "red", l.stored(next()).Variant)
}
