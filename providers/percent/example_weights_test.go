package percent_test

import (
	"context"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

func ExampleNew() {
	client, err := core.New(core.Config{KeySecret: []byte("32 bytes that nobody else can see")})
	if err != nil {
		panic(err)
	}
	pillColor, err := core.Define(client, core.Definition[string, string]{
		Name:     "pill_color",
		Unit:     core.Actor[string],
		Control:  core.Variant[string, string]{Value: "grey"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
		Rollout:  percent.New(percent.Weights{"control": 25, "red": 30, "blue": 45}),
	})
	if err != nil {
		panic(err)
	}
	colors := map[string]int{}
	for visitor := range 10_000 {
		color, _ := pillColor.Run(context.Background(), fmt.Sprint("visitor-", visitor))
		colors[color]++
	}
	fmt.Println(colors)
	// Output: map[blue:4421 grey:2558 red:3021]
}

// Weights that don't fit are refused where the program starts.
func ExampleWeights() {
	client, err := core.New(core.Config{KeySecret: []byte("32 bytes that nobody else can see")})
	if err != nil {
		panic(err)
	}
	_, err = core.Define(client, core.Definition[string, string]{
		Name:     "pill_color",
		Unit:     core.Actor[string],
		Variants: []core.Variant[string, string]{{Name: "red"}, {Name: "blue"}},
		Rollout:  percent.New(percent.Weights{"control": 33.33, "red": 33.33, "blue": 33.33}),
	})
	fmt.Println(err)
	// Output:
	// core: experiment "pill_color": percent: the weights (blue 33.33 %, control 33.33 %, red 33.33 %) sum to 99.99 % after rounding; they have to sum to 100 %
}
