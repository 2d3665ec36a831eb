package percent_test

import (
	"context"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// A ramp by Include lets more and more units in. The groups grow alike, and
// nobody changes sides.
func ExampleInclude() {
	half := percent.Weights{"control": 50, "candidate": 50}
	for _, share := range []float64{5, 20, 100} {
		groups := split(percent.Include(share, half))
		fmt.Printf("%3v %%: control %d, candidate %d, outside %d\n",
			share, groups["control"], groups["candidate"], groups["outside"])
	}
	// Output:
	//   5 %: control 279, candidate 245, outside 9476
	//  20 %: control 1008, candidate 952, outside 8040
	// 100 %: control 5060, candidate 4940, outside 0
}

// split counts what 10,000 units get.
func split(rollout core.Rollout) map[string]int {
	groups := map[string]int{}
	for unit := range 10_000 {
		d, err := rollout.Resolve(context.Background(), core.Request{
			Experiment: "checkout",
			Key:        fmt.Sprint(unit),
			Variants:   []string{"control", "candidate"},
		})
		switch {
		case err != nil:
			panic(err)
		case d.Outside:
			groups["outside"]++
		default:
			groups[d.Variant]++
		}
	}
	return groups
}
