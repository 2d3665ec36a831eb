package core_test

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rolloutkit/rolloutkit/core"
)

// assignUnit assigns a unit under the given secrets, newest first.
func (l *lab) assignUnit(u core.Unit, secrets ...[]byte) core.Assignment {
	l.t.Helper()
	e := l.define(func(c *core.Config, d *definition) {
		if len(secrets) > 0 {
			c.KeySecret, c.PreviousSecrets = secrets[0], secrets[1:]
		}
		d.Unit = func(*user) core.Unit { return u }
	})
	return e.Assign(ctx, nil)
}

func keyOf(t testing.TB, u core.Unit) string {
	a := newLab(t, nil).assignUnit(u)
	require.NoError(t, a.Err)
	return a.Key
}

func TestKeyIsHexOfHMACOverTheDocumentedBytes(t *testing.T) {
	// printf '\001\012pill_color\005actor\000\001x' |
	//   openssl dgst -sha256 -mac HMAC -macopt key:0123456789abcdef0123456789abcdef
	require.Equal(t, "0c7439be5267a2b9bde4b98cec2e15062cc0b44d55612052b1de52173a44ffdc", keyOf(t, core.Actor("x")))
}

func TestKeyCoversNameKindAndValueOfEveryAttribute(t *testing.T) {
	seen := map[string]string{}
	for name, u := range map[string]core.Unit{
		"none":          core.NewUnit(),
		"actor":         core.Actor("1"),
		"another actor": core.Actor("2"),
		"another name":  core.NewUnit(core.String("user", "1")),
		"int":           core.NewUnit(core.Int("actor", 1)),
		"bool":          core.NewUnit(core.Bool("actor", true)),
		"float":         core.NewUnit(core.Float("actor", 1)),
		"two":           core.NewUnit(core.String("actor", "1"), core.Int("project", 1)),
		"two others":    core.NewUnit(core.String("actor", "1"), core.Int("project", 2)),
		"shifted":       core.NewUnit(core.String("actor", "1p"), core.Int("roject", 1)),
		"empty value":   core.NewUnit(core.String("project", "")),
		"three":         core.NewUnit(core.Int("a", 1), core.Int("b", 2), core.Int("c", 3)),
		"three swapped": core.NewUnit(core.Int("a", 1), core.Int("b", 3), core.Int("c", 2)),
		"negative":      core.NewUnit(core.Int("a", -1)),
		"not a number":  core.NewUnit(core.Float("a", math.NaN())),
		"false":         core.NewUnit(core.Bool("actor", false)),
	} {
		key := keyOf(t, u)
		require.Regexp(t, regexp.MustCompile("^[0-9a-f]{64}$"), key)
		require.Empty(t, seen[key], name)
		seen[key] = name
	}
}

func TestKeyDependsOnExperimentAndSecret(t *testing.T) {
	l := newLab(t, nil)
	key := func(name string, secret byte) string {
		e := l.define(func(c *core.Config, d *definition) {
			d.Name = name
			c.KeySecret = []byte(strings.Repeat(string(secret), 32))
		})
		return e.Assign(ctx, &user{ID: "1"}).Key
	}
	require.Equal(t, key("a", 'x'), key("a", 'x'))
	require.NotEqual(t, key("a", 'x'), key("b", 'x'))
	require.NotEqual(t, key("a", 'x'), key("a", 'y'))
}

func TestAttributeOrderNeverMatters(t *testing.T) {
	l := newLab(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringN(1, 8, -1), 1, 12, rapid.ID[string]).Draw(rt, "names")
		attrs := make([]core.Attr, len(names))
		for i, name := range names {
			attrs[i] = core.Int(name, i+1)
		}
		shuffled := rapid.Permutation(attrs).Draw(rt, "order")
		a, b := l.assignUnit(core.NewUnit(attrs...)), l.assignUnit(core.NewUnit(shuffled...))
		require.NoError(rt, a.Err)
		require.Equal(rt, a.Key, b.Key)
	})
}

func TestStickyToCoversTheNamedAttributesOnly(t *testing.T) {
	unit := func(actor string, project int) core.Unit {
		return core.NewUnit(core.String("actor", actor), core.Int("project", project)).StickyTo("project")
	}
	require.Equal(t, keyOf(t, unit("ada", 1)), keyOf(t, unit("bob", 1)))
	require.NotEqual(t, keyOf(t, unit("ada", 1)), keyOf(t, unit("ada", 2)))
	require.Equal(t, keyOf(t, core.NewUnit(core.Int("project", 1))), keyOf(t, unit("ada", 1)))
	require.Equal(t, keyOf(t, unit("ada", 1)), keyOf(t, unit("", 1)), "only a named actor can be anonymous")
}

func TestAnonymous(t *testing.T) {
	l := newLab(t, nil)
	for name, c := range map[string]struct {
		unit      core.Unit
		anonymous bool
	}{
		"empty actor":               {core.Actor(""), true},
		"empty actor beside others": {core.NewUnit(core.Int("project", 1), core.String("actor", "")), true},
		"third":                     {core.NewUnit(core.Int("a", 1), core.Int("b", 1), core.String("actor", "")), true},
		"number 0":                  {core.NewUnit(core.Int("actor", 0)), true},
		"sticky to the actor":       {core.NewUnit(core.String("actor", ""), core.Int("p", 1)).StickyTo("actor"), true},
		"actor":                     {core.Actor("1"), false},
		"no attributes":             {core.NewUnit(), false},
		"no actor":                  {core.NewUnit(core.String("project", "")), false},
	} {
		a := l.assignUnit(c.unit)
		require.NoError(t, a.Err, name)
		require.Equal(t, c.anonymous, a.Source == core.SourceNoUnit, name)
	}
}

func TestTraitsAreNoPartOfTheKey(t *testing.T) {
	require.Equal(t, keyOf(t, core.Actor("1")), keyOf(t, core.Actor("1").Traits(core.String("plan", "gold"))))
}

func TestUnitsAreValues(t *testing.T) {
	u := core.Actor("1").Traits(core.Int("a", 1))
	u.Traits(core.Int("b", 1))
	u.MigratedFrom(core.Actor("2"))
	u.StickyTo("actor")
	l := newLab(t, nil)
	a := l.assignUnit(u)
	require.Equal(t, []core.Attr{core.Int("a", 1)}, l.flag.last.Traits)
	require.Empty(t, a.MigrationKeys)

	attrs := []core.Attr{core.Int("a", 1), core.Int("b", 2), core.Int("c", 3)}
	v := core.NewUnit(attrs...)
	before := keyOf(t, v)
	attrs[2] = core.Int("c", 4)
	require.Equal(t, before, keyOf(t, v))
}

func TestUnitFromKeyIsTheKeyInEveryExperiment(t *testing.T) {
	raw := strings.Repeat("AbCdEf01", 4)
	require.Equal(t, strings.ToLower(raw), keyOf(t, core.UnitFromKey(raw)))
	known := keyOf(t, core.Actor("1"))
	require.Equal(t, known, keyOf(t, core.UnitFromKey(known)))
	require.Len(t, keyOf(t, core.UnitFromKey(strings.Repeat("0", 128))), 128)
}

func TestAttrsSayWhatTheyHold(t *testing.T) {
	type id string
	for _, c := range []struct {
		attr  core.Attr
		value any
		text  string
	}{
		{core.String("a", id("x")), "x", "x"},
		{core.Int("a", int8(-3)), int64(-3), "-3"},
		{core.Int("a", uint64(3)), int64(3), "3"},
		{core.Int("a", uint64(math.MaxUint64)), uint64(math.MaxUint64), "18446744073709551615"},
		{core.Bool("a", true), true, "true"},
		{core.Bool("a", false), false, "false"},
		{core.Float("a", 1.5), 1.5, "1.5"},
		{core.Float("a", math.Copysign(0, -1)), 0.0, "0"},
	} {
		require.Equal(t, c.value, c.attr.Value())
		require.Equal(t, c.text, c.attr.Text())
	}
	require.NotEqual(t, core.Int("a", -1), core.Int("a", uint64(math.MaxUint64)))
	require.Equal(t, core.Int("a", -1), core.Int("a", int8(-1)))
	require.Equal(t, core.Float("a", math.NaN()), core.Float("a", -math.NaN()))
	require.Equal(t, core.Float("a", 0), core.Float("a", math.Copysign(0, -1)))
}

// Migrations and rotation.

var secrets = [][]byte{secret, []byte(strings.Repeat("old!", 8)), []byte(strings.Repeat("older!!!", 4))}

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

func TestMigratedWithAddsWhatTheUnitDoesNotHaveAndKeepsStickiness(t *testing.T) {
	l := newLab(t, nil)
	a := l.assignUnit(core.Actor("1").MigratedWith(core.Int("v", 1)))
	require.Equal(t, []string{keyOf(t, core.NewUnit(core.String("actor", "1"), core.Int("v", 1)))}, a.MigrationKeys)
	a = l.assignUnit(core.NewUnit(core.Int("p", 2), core.Int("v", 2)).StickyTo("p").MigratedWith(core.Int("p", 1), core.Int("v", 1)))
	require.Equal(t, []string{keyOf(t, core.NewUnit(core.Int("p", 1)))}, a.MigrationKeys)
}

func TestMigrationsThatSayNothingAreSkipped(t *testing.T) {
	l := newLab(t, nil)
	require.Empty(t, l.assignUnit(core.Actor("1").MigratedFrom(core.Actor("1"))).MigrationKeys, "onto itself")
	require.Empty(t, l.assignUnit(core.Actor("1").MigratedFrom(core.Actor(""))).MigrationKeys, "from everybody")
}

func TestMigratedUnitKeepsItsVariantAndItsOldEntry(t *testing.T) {
	l := newLab(t, nil)
	before := l.assignUnit(core.Actor("before"))
	l.flag.set(core.Conditional, "blue")
	after := l.assignUnit(core.Actor("after").MigratedFrom(core.Actor("before")))
	require.Equal(t, before.Variant, after.Variant)
	require.Equal(t, core.SourceStored, after.Source)
	require.Equal(t, []string{before.Key}, after.MigrationKeys)
	_, ok := l.stands(before)
	require.True(t, ok, "processes that don't know the new key still read the old one")
	require.Equal(t, before.Variant, l.assignUnit(core.Actor("after")).Variant, "the copy stays")
}

func TestOlderKeyOfAnotherVariantStaysOutAndIsCounted(t *testing.T) {
	l := newLab(t, nil)
	before := l.assignUnit(core.Actor("before"))
	l.flag.set(core.Conditional, "blue")
	now := l.assignUnit(core.Actor("after"))
	require.NotEqual(t, before.Variant, now.Variant)
	a := l.assignUnit(core.Actor("after").MigratedFrom(core.Actor("before")))
	require.Equal(t, "blue", a.Variant, "the newest key's wins")
	require.Empty(t, a.MigrationKeys)
	require.EqualValues(t, 1, l.client.Stats().KeyConflicts)
}

func TestRotatedSecretMovesNobody(t *testing.T) {
	for _, store := range []core.Store{nil, core.NewMemoryStore(nil)} {
		l := newLab(t, nil)
		define := func(secrets ...[]byte) *experiment {
			return l.define(func(c *core.Config, d *definition) {
				c.Store, c.Rollout = store, core.Even
				c.KeySecret, c.PreviousSecrets = secrets[0], secrets[1:]
			})
		}
		first, second, third := define(secrets[2]), define(secrets[1], secrets[2]), define(secrets...)
		for _, u := range users(500) {
			want := first.Assign(ctx, u).Variant
			require.Equal(t, want, second.Assign(ctx, u).Variant)
			require.Equal(t, want, third.Assign(ctx, u).Variant)
		}
	}
}

func TestRampAfterARotationStillReachesOpenControls(t *testing.T) {
	l := newLab(t, nil)
	l.flag.set(core.Conditional, "")
	l.assignUnit(core.Actor("1"), secrets[1])
	require.Equal(t, core.Control, l.assignUnit(core.Actor("1"), secrets[0], secrets[1]).Variant)
	l.flag.set(core.Conditional, "red")
	require.Equal(t, "red", l.assignUnit(core.Actor("1"), secrets[0], secrets[1]).Variant)
}
