package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// preloadable is an experiment whose subjects are users with an older identity
// if they are Old, over a store that has red for it.
func preloadable(t *testing.T) *core.Experiment[*user, string] {
	store := memstore.New(nil)
	f := &flag{}
	f.set(core.Conditional, "blue")
	client, err := core.New(core.Config{Rollout: f, Store: store, KeySecret: secret, PreviousSecrets: secrets[1:]})
	require.NoError(t, err)
	e, err := core.Define(client, definition{Name: "pill_color", Variants: []variant{{Name: "red"}, {Name: "blue"}},
		Unit: func(u *user) core.Unit {
			unit := core.Actor(u.ID)
			if u.Old {
				unit = unit.MigratedFrom(core.Actor("before"))
			}
			return unit
		}})
	require.NoError(t, err)
	red := core.Entry{Variant: "red", Origin: core.SourceManual}
	require.NoError(t, store.Save(ctx, "pill_color", core.KeyMaker(secret, "pill_color")(core.Actor("before")), red))
	return e
}

func TestPreloadOfOtherKeys(t *testing.T) {
	e := preloadable(t)
	page := (&browser{}).page()
	core.Preload(page, e.For(&user{ID: "ada"}))
	require.Equal(t, "red", e.Assign(page, &user{ID: "ada", Old: true}).Variant, "what stands under older keys was not read before")

	page = (&browser{}).page()
	core.Preload(page, e.For(&user{ID: "eve", Old: true}))
	a := e.Assign(page, &user{ID: "eve"})
	require.NoError(t, a.Err)
	require.Equal(t, "blue", a.Variant)
}

func TestPreloadThenForget(t *testing.T) {
	u := &user{ID: "ada", Old: true}
	for _, c := range []string{"Forget", "Clear"} {
		t.Run(c, func(t *testing.T) {
			e := preloadable(t)
			page := (&browser{}).page()
			core.Preload(page, e.For(u))
			if c == "Forget" {
				require.NoError(t, e.Forget(page, u))
			} else {
				require.NoError(t, e.Clear(page))
			}
			require.Equal(t, "blue", e.Assign(page, u).Variant, "what was deleted must not come back")
			require.Equal(t, "blue", e.Assign(ctx, u).Variant)
		})
	}
}
