package core_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// unreadable is a memory store that can't read some keys.
type unreadable struct {
	*memstore.Store
	keys []string
}

func (s unreadable) Load(ctx context.Context, lookups []core.Lookup) error {
	err := s.Store.Load(ctx, lookups)
	for i := range lookups {
		if slices.Contains(s.keys, lookups[i].Key) {
			lookups[i].Entry, lookups[i].Err = core.Entry{}, errors.New("unreadable")
		}
	}
	return err
}

func TestAnOlderKeyThatCannotBeRead(t *testing.T) {
	unit := core.Actor("account").MigratedFrom(core.Actor("before"))
	key := core.KeyMaker(secret, "pill_color")
	newest, older := key(core.Actor("account")), key(core.Actor("before"))
	red := core.Entry{Variant: "red", Origin: core.SourceManual}
	for _, c := range []struct {
		name        string
		stored, bad string
		degraded    bool
	}{
		{"beside a current entry", newest, older, false},
		{"with nothing newer", older, older, true},
		{"the newest itself", older, newest, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := unreadable{memstore.New(nil), []string{c.bad}}
			require.NoError(t, store.Save(ctx, "pill_color", c.stored, red))
			f := &flag{}
			f.set(core.Conditional, "blue")
			client, err := core.New(core.Config{Rollout: f, Store: store, KeySecret: secret})
			require.NoError(t, err)
			e := core.MustDefine(client, definition{Name: "pill_color", Unit: func(*user) core.Unit { return unit },
				Variants: []variant{{Name: "red"}, {Name: "blue"}}})

			a := e.Assign(ctx, nil)
			require.Equal(t, c.degraded, a.Degraded)
			require.EqualValues(t, 1, client.Stats().Degraded, "it is counted in any case")
			if c.degraded {
				require.Equal(t, "blue", a.Variant)
				require.Error(t, a.Err)
				return
			}
			require.Equal(t, "red", a.Variant)
			require.Empty(t, a.MigrationKeys, "nobody knows what the older key holds")
		})
	}
}
