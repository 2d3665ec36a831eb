package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// A customer is the app's own type.
type customer struct {
	ID   string
	Plan string
}

// customers is how many of them come by.
const customers = 1000

// A shop has four experiments. They are behind the toggles that bootstrap.json
// has, and that README.md creates in a server.
type shop []*core.Experiment[customer, string]

func openShop(rollout core.Rollout) (shop, error) {
	client, err := core.New(core.Config{
		Rollout:    rollout,
		Store:      memstore.New(nil),
		Tracker:    core.TrackerFunc(func(context.Context, core.Event) error { return nil }),
		KeySecret:  []byte("an example's secret, of 32 bytes"),
		NamePrefix: "shop",
	})
	if err != nil {
		return nil, err
	}
	var s shop
	for _, def := range []core.Definition[customer, string]{
		{Name: "banner", Variants: []core.Variant[customer, string]{{Name: core.Candidate}}},
		{Name: "confetti", Variants: []core.Variant[customer, string]{{Name: core.Candidate}}},
		{Name: "one_page_checkout", Variants: []core.Variant[customer, string]{{Name: core.Candidate}}},
		{Name: "pill_color", Variants: []core.Variant[customer, string]{{Name: "red"}, {Name: "blue"}}},
	} {
		// The key is made of the id. The plan goes to Unleash, for its rules.
		def.Unit = func(c customer) core.Unit { return core.Actor(c.ID).Traits(core.String("plan", c.Plan)) }
		experiment, err := core.Define(client, def)
		if err != nil {
			return nil, err
		}
		s = append(s, experiment)
	}
	return s, nil
}

// show assigns all customers in all experiments and prints what became of them.
func (s shop) show(ctx context.Context, out io.Writer) {
	for _, experiment := range s {
		counts := map[string]int{}
		var last core.Assignment
		for id := 1; id <= customers; id++ {
			c := customer{ID: fmt.Sprint("customer-", id), Plan: "free"}
			if id%10 == 0 {
				c.Plan = "gold"
			}
			last = experiment.Assign(ctx, c)
			counts[last.Variant]++
		}
		if last.Err != nil {
			fmt.Fprintf(out, "%-24s %-12s %v\n", experiment.Name(), last.Source, last.Err)
			continue
		}
		fmt.Fprintf(out, "%-24s %-12s", experiment.Name(), last.State)
		for _, variant := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(out, " %s %d", variant, counts[variant])
		}
		fmt.Fprintln(out)
	}
}
