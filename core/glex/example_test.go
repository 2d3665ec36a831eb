package glex_test

import (
	"context"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
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
		Store:      core.NewMemoryStore(nil), // redisstore with GLEXLayout, to share assignments
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

// A call site that changed its context and names the old one:
//
//	experiment(:pill_color, actor: "user:1", version: 2, migrated_with: {version: 1})
func ExampleContext() {
	c := glex.Context{
		Attrs:        []core.Attr{core.String("actor", "user:1"), core.Int("version", 2)},
		MigratedWith: [][]core.Attr{{core.Int("version", 1)}},
	}
	key, migrations, err := c.Keys(glex.Scheme{}, []byte("s3cret"), "gitlab_pill_color")
	fmt.Println(key, migrations, err)
	// Output: 3c1125382caad4e19278da884186d5e584a3b0f51589fb39bb97e056f9dec0d2 [efc14362106dc996e57fe1ffa0f050cc6c259f5dfc68f0d993e207abdeb6ca84] <nil>
}

// experiment(:pill_color, sticky_to: project), whatever else the context has.
func ExampleElements() {
	unit := core.NewUnit(glex.Elements("gid://shop/Project/42")...)
	_ = unit // what Definition.Unit returns

	key, err := glex.Scheme{}.Key([]byte("s3cret"), "gitlab_pill_color", glex.Elements("gid://shop/Project/42"))
	fmt.Println(key, err)
	// Output: 1212c4f0c2595243fc19e276a09998a93ca481a4a6bffb7fbc9a64ab9ec0104c <nil>
}

func ExampleFullName() {
	for _, class := range []string{"PillColorExperiment", "HTTPServerV2Experiment", "Namespaced::StubExperiment", "pill_color"} {
		name, err := glex.FullName(class, "gitlab")
		fmt.Println(name, err)
	}
	// Output:
	// gitlab_pill_color <nil>
	// gitlab_http_server_v2 <nil>
	// gitlab_namespaced/stub <nil>
	// gitlab_pill_color <nil>
}

// The second share of [99, 1] gets nobody, and the first of [0, 100] somebody.
func ExampleDraw() {
	count := func(shares ...float64) map[string]int {
		got := map[string]int{}
		for i := range 100_000 {
			name, err := glex.Draw{Version: glex.V07, IncludeControl: true, Array: shares}.Pick("shop_pill_color", fmt.Sprint(i), []string{"control", "candidate"})
			if err != nil {
				panic(err)
			}
			got[name]++
		}
		return got
	}
	fmt.Println(count(99, 1))
	fmt.Println(count(0, 100)["control"] > 0)
	// Output:
	// map[control:100000]
	// true
}
