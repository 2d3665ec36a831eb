package openfeature_test

import (
	"context"
	"errors"
	"fmt"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// A Customer is an app's own type.
type Customer struct {
	ID    string
	Staff bool
}

// A typed experiment is a flag for code that only speaks OpenFeature.
func ExampleNewProvider() {
	ctx := context.Background()
	experiments := must(core.New(core.Config{KeySecret: secret, Tracker: printing, Store: memstore.New(nil)}))
	buttonColor := must(core.Define(experiments, core.Definition[Customer, string]{
		Name:       "button_color",
		Unit:       func(c Customer) core.Unit { return core.Actor(c.ID) },
		Control:    core.Variant[Customer, string]{Value: "grey"},
		Variants:   []core.Variant[Customer, string]{{Name: "red", Value: "#f00"}},
		Exclusions: []core.Rule[Customer]{{Name: "staff", If: func(_ context.Context, c Customer) bool { return c.Staff }}},
		Rollout:    percent.New(percent.Weights{"red": 100}),
	}))
	bound := core.Bind(buttonColor, func(attrs map[string]any) (Customer, error) {
		id, ok := attrs[of.TargetingKey].(string)
		if !ok {
			return Customer{}, errors.New("no targeting key")
		}
		staff, _ := attrs["staff"].(bool)
		return Customer{ID: id, Staff: staff}, nil
	})

	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(ctx, openfeature.NewProvider(experiments, bound)); err != nil {
		panic(err)
	}
	client := api.NewClient()
	details, _ := client.StringValueDetails(ctx, "button_color", "none", of.NewEvaluationContext("ada", nil))
	fmt.Println("ada", details.Value, details.Variant, details.Reason)
	details, _ = client.StringValueDetails(ctx, "button_color", "none", of.NewEvaluationContext("bob", map[string]any{"staff": true}))
	fmt.Println("bob", details.Value, details.Reason, details.FlagMetadata["source"])
	client.Track(ctx, "bought", of.NewEvaluationContext("ada", nil), of.NewTrackingEventDetails(9.5))
	// Output:
	// assignment button_color red on
	// ada #f00 red STATIC
	// bob grey DEFAULT excluded
	// bought button_color red on
}
