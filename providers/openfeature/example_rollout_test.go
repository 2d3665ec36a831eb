package openfeature_test

import (
	"context"
	"fmt"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// The flag button_color decides the experiment of that name.
func ExampleNew() {
	ctx := context.Background()
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(ctx, flags(), of.WithDomain("flags")); err != nil {
		panic(err)
	}
	client := api.NewClient(of.WithDomain("flags"))
	experiments := must(core.New(core.Config{KeySecret: secret, Rollout: openfeature.New(client, nil)}))
	buttonColor := must(core.Define(experiments, core.Definition[string, string]{
		Name:     "button_color",
		Unit:     func(id string) core.Unit { return core.Actor(id) },
		Control:  core.Variant[string, string]{Value: "#ccc"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "#f00"}, {Name: "blue", Value: "#00f"}},
	}))

	a := buttonColor.Assign(ctx, "ada")
	fmt.Println(a.Variant, a.State, a.Reason)
	// Output:
	// red conditional SPLIT
}

// A boolean flag says for whom the experiment is, and the weights split those.
func ExampleOptions() {
	ctx := context.Background()
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(ctx, flags()); err != nil {
		panic(err)
	}
	checkout := openfeature.New(api.NewClient(), &openfeature.Options{
		Kind:    openfeature.BooleanFlags,
		Flag:    func(string) string { return "newCheckout" },
		Timeout: 200 * time.Millisecond,
	})
	experiments := must(core.New(core.Config{KeySecret: secret,
		Rollout: percent.Behind(checkout, percent.Weights{"control": 20, "short": 40, "long": 40})}))
	e := must(core.Define(experiments, core.Definition[string, int]{
		Name:     "checkout",
		Unit:     func(id string) core.Unit { return core.Actor(id) },
		Control:  core.Variant[string, int]{Value: 5},
		Variants: []core.Variant[string, int]{{Name: "short", Value: 1}, {Name: "long", Value: 9}},
	}))

	for _, id := range []string{"ada", "bob", "cy"} {
		fmt.Println(id, e.Assign(ctx, id).Variant)
	}
	// Output:
	// ada short
	// bob control
	// cy long
}
