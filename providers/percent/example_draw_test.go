package percent_test

import (
	"context"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// Round robin gives each new unit the next behaviour; the store makes it stick.
func ExampleRoundRobin() {
	store := memstore.New(nil)
	client, err := core.New(core.Config{
		KeySecret: []byte("32 bytes that nobody else can see"),
		Store:     store,
		Rollout:   percent.RoundRobin(store),
	})
	if err != nil {
		panic(err)
	}
	pillColor, err := core.Define(client, core.Definition[string, string]{
		Name:     "pill_color",
		Unit:     core.Actor[string],
		Control:  core.Variant[string, string]{Value: "grey"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
	})
	if err != nil {
		panic(err)
	}
	for _, visitor := range []string{"ada", "bob", "cyd", "dee", "ada", "bob"} {
		color, _ := pillColor.Run(context.Background(), visitor)
		fmt.Println(visitor, color)
	}
	// Output:
	// ada grey
	// bob red
	// cyd blue
	// dee grey
	// ada grey
	// bob red
}

// Random needs a store too, since it would give a unit another variant each
// time. A load test may want just that.
func ExampleRandom() {
	client, err := core.New(core.Config{KeySecret: []byte("32 bytes that nobody else can see")})
	if err != nil {
		panic(err)
	}
	define := func(name string, rollout core.Rollout) error {
		_, err := core.Define(client, core.Definition[string, string]{
			Name:     name,
			Unit:     core.Actor[string],
			Variants: []core.Variant[string, string]{{Name: core.Candidate}},
			Rollout:  rollout,
		})
		return err
	}
	fmt.Println(define("checkout", percent.Random()))
	fmt.Println(define("load_test", percent.Random(percent.EveryTime)))
	// Output:
	// core: experiment "checkout": percent draws at random, and the client has no Store to keep what it drew
	// <nil>
}
