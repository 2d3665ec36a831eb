package core_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// TestAllocations pins what a call costs: the key for Assign, the event's ID
// for Run, and the ctx of a behaviour that is a function.
func TestAllocations(t *testing.T) {
	if core.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	one := func(id string) core.Unit { return core.Actor(id) }
	two := func(id string) core.Unit { return core.NewUnit(core.String("actor", id), core.Int("project", 7)) }
	fn := func(context.Context, string) (string, error) { return "", nil }
	for name, c := range map[string]struct {
		unit          func(string) core.Unit
		store         core.Store
		run           func(context.Context, string) (string, error)
		assign, serve float64
	}{
		"value":                      {one, nil, nil, 1, 2},
		"value, stored":              {one, core.NewMemoryStore(nil), nil, 1, 2},
		"function":                   {one, nil, fn, 1, 3},
		"function, stored":           {one, core.NewMemoryStore(nil), fn, 1, 3},
		"value, two attributes":      {two, nil, nil, 1, 2},
		"function, stored, two more": {two, core.NewMemoryStore(nil), fn, 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := core.New(core.Config{KeySecret: secret, Store: c.store,
				Tracker: core.TrackerFunc(func(context.Context, core.Event) error { return nil })})
			require.NoError(t, err)
			v := core.Variant[string, string]{Run: c.run}
			e := core.MustDefine(client, core.Definition[string, string]{Name: "allocations", Unit: c.unit, Control: v,
				Variants: []core.Variant[string, string]{{Name: "red", Run: c.run}, {Name: "blue", Run: c.run}}})
			require.Equal(t, c.assign, testing.AllocsPerRun(200, func() { e.Assign(ctx, "user:1") }))
			require.Equal(t, c.serve, testing.AllocsPerRun(200, func() { _, _ = e.Run(ctx, "user:1") }))
		})
	}
}
