package memstore_test

import (
	"fmt"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// A store with room for 100,000 entries, each for a month after it was last
// read.
func Example() {
	store := memstore.New(&memstore.Options{MaxEntries: 100_000, TTL: 30 * 24 * time.Hour})
	client, err := core.New(core.Config{Store: store, InsecureNoSecret: true})
	if err != nil {
		panic(err)
	}
	greeting := core.MustDefine(client, core.Definition[string, string]{
		Name:     "greeting",
		Unit:     core.Actor[string],
		Control:  core.Variant[string, string]{Value: "Hello"},
		Variants: []core.Variant[string, string]{{Name: "warm", Value: "Welcome back"}},
	})
	fmt.Println(greeting.Assign(ctx, "ada").Source)
	fmt.Println(greeting.Assign(ctx, "ada").Source)
	fmt.Println(store.Len())
	// Output:
	// resolved
	// stored
	// 1
}
