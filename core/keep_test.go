package core_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// single is a store without LoadBatch.
type single struct{ core.Store }

// The tests below let two releases serve the same unit while a secret rotates:
// the old one knows only the old secret.
func releases(l *lab, u core.Unit) (old, next func() core.Assignment) {
	return func() core.Assignment { return l.assignUnit(u, secrets[1]) },
		func() core.Assignment { return l.assignUnit(u, secrets[0], secrets[1]) }
}

func TestFreshAssignmentReachesReleasesThatKnowTheOldSecretOnly(t *testing.T) {
	l := newLab(t, nil)
	old, next := releases(l, core.Actor("1"))
	require.Equal(t, "red", next().Variant)
	l.flag.set(core.Conditional, "blue")
	a := old()
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.SourceStored, a.Source)
}

func TestMigratedAssignmentReachesReleasesThatKnowTheOldSecretOnly(t *testing.T) {
	for name, store := range map[string]core.Store{"batch": core.NewMemoryStore(nil), "single": single{core.NewMemoryStore(nil)}} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			define := func(u core.Unit, secrets ...[]byte) core.Assignment {
				return l.define(func(c *core.Config, d *definition) {
					c.Store, c.KeySecret, c.PreviousSecrets = store, secrets[0], secrets[1:]
					d.Unit = func(*user) core.Unit { return u }
				}).Assign(ctx, nil)
			}
			define(core.Actor("cookie"), secrets[1])
			l.flag.set(core.Conditional, "blue")
			a := define(core.Actor("account").MigratedFrom(core.Actor("cookie")), secrets[0], secrets[1])
			require.Equal(t, "red", a.Variant)
			require.Equal(t, "red", define(core.Actor("account"), secrets[1]).Variant, "on another device, by an old process")
		})
	}
}

func TestManualAssignmentReachesReleasesThatKnowTheOldSecretOnly(t *testing.T) {
	l := newLab(t, nil)
	old, next := releases(l, core.Actor("1"))
	require.Equal(t, "red", old().Variant)
	e := l.define(func(c *core.Config, d *definition) {
		c.PreviousSecrets = secrets[1:2]
		d.Unit = func(*user) core.Unit { return core.Actor("1") }
	})
	require.Equal(t, "blue", e.For(nil).AssignTo("blue").Assign(ctx).Variant)
	require.Equal(t, "blue", old().Variant)
	require.Equal(t, "blue", next().Variant)
}

func TestTheOldestKeyDecidesARace(t *testing.T) {
	l := newLab(t, nil)
	old, next := releases(l, core.Actor("1"))
	l.store.beforeClaim = func() {
		l.flag.set(core.Conditional, "blue")
		require.Equal(t, "blue", old().Variant)
	}
	a := next()
	require.Equal(t, "blue", a.Variant)
	require.Equal(t, core.SourceStored, a.Source)
}

func TestRampReachesReleasesThatKnowTheOldSecretOnly(t *testing.T) {
	l := newLab(t, nil)
	old, next := releases(l, core.Actor("1"))
	l.flag.set(core.Conditional, "")
	require.Equal(t, core.Control, old().Variant)
	require.Equal(t, core.Control, next().Variant)
	l.flag.set(core.Conditional, "red") // in the new release
	a := next()
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.SourceResolved, a.Source)
	l.flag.set(core.Conditional, "") // and not yet in the old one
	a = old()
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.Control, a.Previous)
}

func TestTheOldestKeyDecidesARaceOfRamps(t *testing.T) {
	l := newLab(t, nil)
	old, next := releases(l, core.Actor("1"))
	l.flag.set(core.Conditional, "")
	next()
	l.store.beforeClaim = func() {
		l.flag.set(core.Conditional, "blue")
		require.Equal(t, "blue", old().Variant)
	}
	l.flag.set(core.Conditional, "red")
	a := next()
	require.Equal(t, "blue", a.Variant)
	require.Equal(t, core.SourceStored, a.Source)
	require.Equal(t, core.Control, a.Previous)
}

func TestRampLeavesOlderKeysThatHoldAnotherVariant(t *testing.T) {
	l := newLab(t, nil)
	old, next := releases(l, core.Actor("1"))
	l.flag.set(core.Conditional, "")
	a := next()
	require.Len(t, a.MigrationKeys, 1)
	require.NoError(t, l.store.Store.Save(ctx, "pill_color", a.MigrationKeys[0], entry("blue", core.SourceForced)))
	l.flag.set(core.Conditional, "red")
	a = next()
	require.Equal(t, "red", a.Variant, "the newest key's entry counts")
	require.Empty(t, a.MigrationKeys)
	require.Equal(t, "blue", old().Variant)
}

// torn fails half of what loadTwins asks for.
type torn struct {
	core.Store
	answers []core.Loaded
}

func (s torn) LoadBatch(context.Context, []core.Lookup) []core.Loaded { return s.answers }

func TestHalfARotatedLoadIsAFailedLoad(t *testing.T) {
	for name, s := range map[string]core.Store{
		"second fails":  torn{core.NewMemoryStore(nil), []core.Loaded{{}, {Err: errStore}}},
		"too few":       torn{core.NewMemoryStore(nil), nil},
		"without batch": &failOn{single{core.NewMemoryStore(nil)}},
	} {
		l := newLab(t, func(c *core.Config, _ *definition) { c.Store, c.PreviousSecrets = s, secrets[1:2] })
		a := l.exp.Assign(ctx, &user{ID: "1"})
		require.Equal(t, "red", a.Variant, name)
		require.True(t, a.Degraded, name)
	}
}

type failOn struct{ single }

func (*failOn) Load(context.Context, string, string, []string) (core.Entry, []string, bool, error) {
	return core.Entry{}, nil, false, errStore
}

// scheme makes readable keys.
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
	assign := func(s scheme, u core.Unit) core.Assignment {
		return l.define(func(c *core.Config, d *definition) {
			c.KeyScheme = s
			d.Unit = func(*user) core.Unit { return u }
		}).Assign(ctx, nil)
	}
	u := core.NewUnit(core.String("z", "1"), core.Int("a", 2), core.Bool("m", true))
	a := assign(scheme{}, u.StickyTo("z", "m").MigratedFrom(core.Actor("9")))
	require.NoError(t, a.Err)
	require.Equal(t, "pill_color|z=1|m=true", a.Key)
	require.Equal(t, []string{"pill_color|actor=9"}, a.MigrationKeys)
	require.ErrorIs(t, assign(scheme{errStore}, u).Err, errStore)
	require.ErrorContains(t, assign(scheme{}, core.NewUnit()).Err, "made an empty key")
	require.NoError(t, l.define(func(c *core.Config, d *definition) {
		c.KeyScheme = scheme{}
		d.Unit = func(*user) core.Unit { return u }
	}).Forget(ctx, nil))
	require.NoError(t, l.client.TrackKey(ctx, "pill_color", a.Key, core.Event{Action: "visited"}), "a scheme's keys need not be hex")
}
