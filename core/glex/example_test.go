package glex_test

import (
	"context"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

type customer struct{ ID string }

// The Ruby application has
//
//	class PillColorExperiment < ApplicationExperiment
//	  control { "grey" }
//	  variant(:red) { "red" }
//	  variant(:blue) { "blue" }
//	  default_rollout :percent, include_control: true, distribution: [20, 40, 40]
//	end
//
// and asks for experiment(:pill_color, actor: customer, version: 2).
func Example() {
	client, err := core.New(core.Config{
		KeyScheme:  glex.Scheme{},
		KeySecret:  []byte("the context_key_secret of the gem"),
		NamePrefix: "shop",
		Store:      memstore.New(nil), // a glexstore, to share assignments
	})
	if err != nil {
		panic(err)
	}
	pillColor, err := core.Define(client, core.Definition[customer, string]{
		Name: "pill_color",
		Unit: func(c customer) core.Unit {
			return core.NewUnit(glex.GlobalID("actor", "shop", "Customer", c.ID), core.Int("version", 2))
		},
		Control:  core.Variant[customer, string]{Value: "grey"},
		Variants: []core.Variant[customer, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
		Rollout:  glex.Percent(glex.Draw{Version: glex.V07, IncludeControl: true, Array: []float64{20, 40, 40}}),
	})
	if err != nil {
		panic(err)
	}
	a := pillColor.Assign(context.Background(), customer{"7"})
	fmt.Println(a.Variant, a.Key)
	// Output: blue 4007a13be270a7781cc038b73193936c3f991ddede50781875dd96d47382a64a
}

// experiment(:pill_color, sticky_to: project), whatever else the context has.
func ExampleElements() {
	unit := core.NewUnit(glex.Elements("gid://shop/Project/42")...)
	_ = unit // what Definition.Unit returns

	key, err := glex.Scheme{}.Key([]byte("s3cret"), "gitlab_pill_color", glex.Elements("gid://shop/Project/42"))
	fmt.Println(key, err)
	// Output: 1212c4f0c2595243fc19e276a09998a93ca481a4a6bffb7fbc9a64ab9ec0104c <nil>
}

func ExampleName() {
	for _, class := range []string{"PillColorExperiment", "HTTPServerV2Experiment", "Namespaced::StubExperiment", "pill_color"} {
		fmt.Println(glex.Name(class))
	}
	// Output:
	// pill_color <nil>
	// http_server_v2 <nil>
	// namespaced/stub <nil>
	// pill_color <nil>
}
