package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
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
type shop struct {
	experiments []*core.Experiment[customer, string]
}

func openShop(rollout core.Rollout) (*shop, error) {
	client, err := core.New(core.Config{
		Rollout:    rollout,
		Store:      core.NewMemoryStore(nil),
		Tracker:    core.TrackerFunc(func(context.Context, core.Event) error { return nil }),
		KeySecret:  []byte("an example's secret, of 32 bytes"),
		NamePrefix: "shop",
	})
	if err != nil {
		return nil, err
	}
	s := &shop{}
	for name, variants := range map[string][]string{
		"pill_color":        {"red", "blue"},
		"one_page_checkout": {core.Candidate},
		"banner":            {core.Candidate},
		"confetti":          {core.Candidate},
	} {
		def := core.Definition[customer, string]{
			Name: name,
			// The key is made of the id. The plan goes to Unleash, for its rules.
			Unit: func(c customer) core.Unit {
				return core.Actor(c.ID).Traits(core.String("plan", c.Plan))
			},
		}
		for _, v := range variants {
			def.Variants = append(def.Variants, core.Variant[customer, string]{Name: v})
		}
		exp, err := core.Define(client, def)
		if err != nil {
			return nil, err
		}
		s.experiments = append(s.experiments, exp)
	}
	slices.SortFunc(s.experiments, func(a, b *core.Experiment[customer, string]) int {
		return strings.Compare(a.Name(), b.Name())
	})
	return s, nil
}

// show assigns all customers in all experiments and prints what became of them.
func (s *shop) show(ctx context.Context, out io.Writer) {
	for _, exp := range s.experiments {
		counts := map[string]int{}
		var last core.Assignment
		for id := 1; id <= customers; id++ {
			c := customer{ID: fmt.Sprint("customer-", id), Plan: "free"}
			if id%10 == 0 {
				c.Plan = "gold"
			}
			last = exp.Assign(ctx, c)
			counts[last.Variant]++
		}
		if last.Err != nil {
			fmt.Fprintf(out, "%-24s %-12s %v\n", exp.Name(), last.Source, last.Err)
			continue
		}
		fmt.Fprintf(out, "%-24s %-12s", exp.Name(), last.State)
		for _, variant := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(out, " %s %d", variant, counts[variant])
		}
		fmt.Fprintln(out)
	}
}
