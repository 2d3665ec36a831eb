package main

import (
	"context"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// A customer is the program's own type.
type customer struct {
	id    string
	staff bool
}

// experiments returns a client whose experiments are decided by the flags of an
// OpenFeature client.
func experiments(client *of.Client, tracker core.Tracker) (*core.Client, error) {
	// region client
	return core.New(core.Config{
		Rollout:    openfeature.New(client, nil),
		Store:      memstore.New(nil),
		Tracker:    tracker,
		KeySecret:  []byte("an example's secret of 32 bytes."),
		NamePrefix: "shop",
	})
	// endregion
}

// buttonColor is decided by the flag shop_button_color.
func buttonColor(client *core.Client) (*core.Experiment[customer, string], error) {
	return core.Define(client, core.Definition[customer, string]{
		Name:     "button_color",
		Unit:     func(c customer) core.Unit { return core.Actor(c.id) },
		Control:  core.Variant[customer, string]{Value: "grey"},
		Variants: []core.Variant[customer, string]{{Name: "red", Value: "bright red"}},
		Exclusions: []core.Rule[customer]{
			{Name: "staff", If: func(_ context.Context, c customer) bool { return c.staff }},
		},
	})
}
