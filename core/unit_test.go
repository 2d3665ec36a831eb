package core_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestAttributeOrderNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringN(1, 8, -1), 1, 12, rapid.ID[string]).Draw(t, "names")
		attrs := make([]core.Attr, len(names))
		for i, name := range names {
			attrs[i] = core.Int(name, i+1)
		}
		shuffled := rapid.Permutation(attrs).Draw(t, "order")
		require.Equal(t, keyOf(core.NewUnit(attrs...)), keyOf(core.NewUnit(shuffled...)))
	})
}

func TestStickyToCoversTheNamedAttributesOnly(t *testing.T) {
	sticky := func(actor string, project int) core.Unit {
		return core.NewUnit(core.String("actor", actor), core.Int("project", project)).StickyTo("project")
	}
	require.Equal(t, keyOf(sticky("ada", 1)), keyOf(sticky("bob", 1)))
	require.NotEqual(t, keyOf(sticky("ada", 1)), keyOf(sticky("ada", 2)))
	require.Equal(t, keyOf(core.NewUnit(core.Int("project", 1))), keyOf(sticky("ada", 1)))
}

func TestAnonymous(t *testing.T) {
	for _, c := range []struct {
		name      string
		unit      core.Unit
		anonymous bool
	}{
		{"empty actor", core.Actor(""), true},
		{"empty actor beside others", core.NewUnit(core.Int("project", 1), core.String("actor", "")), true},
		{"empty actor as the third", core.NewUnit(core.Int("a", 1), core.Int("b", 1), core.String("actor", "")), true},
		{"number 0", core.NewUnit(core.Int("actor", 0)), true},
		{"sticky to the actor", core.NewUnit(core.String("actor", ""), core.Int("p", 1)).StickyTo("actor"), true},
		{"not sticky to the actor", core.NewUnit(core.String("actor", ""), core.Int("p", 1)).StickyTo("p"), false},
		{"actor", core.Actor("1"), false},
		{"no attributes", core.NewUnit(), false},
		{"no actor", core.NewUnit(core.String("project", "")), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newLab(t, unit(c.unit)).exp.Assign(ctx, nobody)
			require.NoError(t, a.Err)
			require.Equal(t, c.anonymous, a.Source == core.SourceNoUnit)
		})
	}
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
	before := keyOf(v)
	attrs[2] = core.Int("c", 4)
	require.Equal(t, before, keyOf(v))
}

func TestUnitFromKeyIsTheKeyInEveryExperiment(t *testing.T) {
	l := newLab(t, nil)
	raw := strings.Repeat("AbCdEf01", 4)
	require.Equal(t, strings.ToLower(raw), l.assignUnit(core.UnitFromKey(raw)).Key)
	known := l.assignUnit(core.Actor("1")).Key
	require.Equal(t, known, l.assignUnit(core.UnitFromKey(known)).Key)
	require.Len(t, l.assignUnit(core.UnitFromKey(strings.Repeat("0", 128))).Key, 128)
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
		t.Run(fmt.Sprintf("%T %s", c.value, c.text), func(t *testing.T) {
			require.Equal(t, c.value, c.attr.Value())
			require.Equal(t, c.text, c.attr.Text())
		})
	}
	require.NotEqual(t, core.Int("a", -1), core.Int("a", uint64(math.MaxUint64)))
	require.Equal(t, core.Int("a", -1), core.Int("a", int8(-1)))
	require.Equal(t, core.Float("a", math.NaN()), core.Float("a", -math.NaN()))
	require.Equal(t, core.Float("a", 0), core.Float("a", math.Copysign(0, -1)))
}

func TestUnitFaultsAreNoUnit(t *testing.T) {
	many := make([]core.Attr, 101)
	for i := range many {
		many[i] = core.Int(fmt.Sprint("a", i), i)
	}
	large := core.String("bio", strings.Repeat("x", 64<<10))
	migrated := func(n int) core.Unit {
		u := core.Actor("0")
		for i := range n {
			u = u.MigratedWith(core.String("actor", fmt.Sprint(i+1)))
		}
		return u
	}
	for _, c := range []struct {
		name string
		unit core.Unit
		says string
	}{
		{"too many", core.NewUnit(many...), "101 attributes"},
		{"too many with traits", core.NewUnit(many[:60]...).Traits(many[:41]...), "101 attributes"},
		{"too large", core.NewUnit(large), "at most 65536"},
		{"too large a trait", core.Actor("1").Traits(large), "at most 65536"},
		{"twice", core.NewUnit(core.Int("a", 1), core.Int("a", 2)), `"a" twice`},
		{"trait twice", core.Actor("1").Traits(core.Int("a", 1), core.Int("a", 2)), `"a" twice`},
		{"no name", core.NewUnit(core.Int("", 1)), "no name"},
		{"trait without name", core.Actor("1").Traits(core.Int("", 1)), "no name"},
		{"short key", core.UnitFromKey("abc"), "32 to 128 hex digits, not 3"},
		{"long key", core.UnitFromKey(strings.Repeat("a", 129)), "not 129"},
		{"key not hex", core.UnitFromKey(strings.Repeat("g", 32)), "hex digits only"},
		{"sticky to nothing", core.Actor("1").StickyTo(), "names no attribute"},
		{"sticky to unknown", core.Actor("1").StickyTo("project"), `"project"`},
		{"bad older identity", core.Actor("1").MigratedFrom(core.NewUnit(core.Int("", 1))), "older identity 1"},
		{"nine keys", migrated(8), "more than 8 keys"},
		{"many keys in a chain", core.Actor("9").MigratedFrom(core.Actor("a").MigratedFrom(migrated(20))), "more than 8 keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, unit(c.unit))
			a := l.exp.Publish(ctx, nobody)
			serves(t, a, "control no-unit/- untracked")
			require.ErrorContains(t, a.Err, c.says)
			require.NotContains(t, a.Err.Error()+l.log.String(), "xxx", "no attribute value in any message")
			require.Equal(t, 1, strings.Count(l.log.String(), "because of a unit fault"), "one line a minute")
			require.Zero(t, l.store.loads+l.store.writes)
		})
	}
}

func TestLargestUnitIsFine(t *testing.T) {
	attrs := make([]core.Attr, 100)
	for i := range attrs {
		attrs[i] = core.String(fmt.Sprintf("a%02d", i), strings.Repeat("x", 650))
	}
	l := newLab(t, unit(core.NewUnit(attrs...)))
	serves(t, l.exp.Assign(ctx, nobody), "red resolved/resolved")
}

func TestMigratedWithAddsWhatTheUnitDoesNotHaveAndKeepsStickiness(t *testing.T) {
	l := newLab(t, nil)
	a := l.assignUnit(core.Actor("1").MigratedWith(core.Int("v", 1)))
	require.Equal(t, []string{keyOf(core.NewUnit(core.String("actor", "1"), core.Int("v", 1)))}, a.MigrationKeys)
	a = l.assignUnit(core.NewUnit(core.Int("p", 2), core.Int("v", 2)).StickyTo("p").MigratedWith(core.Int("p", 1), core.Int("v", 1)))
	require.Equal(t, []string{keyOf(core.NewUnit(core.Int("p", 1)))}, a.MigrationKeys)
}

func TestMigrationsThatSayNothingAreSkipped(t *testing.T) {
	l := newLab(t, nil)
	require.Empty(t, l.assignUnit(core.Actor("1").MigratedFrom(core.Actor("1"))).MigrationKeys, "onto itself")
	require.Empty(t, l.assignUnit(core.Actor("1").MigratedFrom(core.Actor(""))).MigrationKeys, "from everybody")
}
