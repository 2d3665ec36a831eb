package main

import (
	"context"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// The variants, control first.
var variants = []string{core.Control, "red", "blue", "green"}

var (
	atFirst = percent.Weights{"control": 40, "red": 10, "blue": 20, "green": 30}
	ramped  = percent.Weights{"control": 10, "red": 15, "blue": 30, "green": 45}
)

// open starts the shop with an experiment on the colour of its pills, as a
// deployment with these weights does.
func open(store core.Store, tracker core.Tracker, weights percent.Weights) (*core.Experiment[visitor, string], error) {
	client, err := core.New(core.Config{
		KeySecret:   []byte("a real shop reads 32 random bytes from its vault"),
		NamePrefix:  "shop",
		Store:       store,
		Tracker:     tracker,
		AllowForced: true,
	})
	if err != nil {
		return nil, err
	}
	return core.Define(client, core.Definition[visitor, string]{
		Name:    "pill_color",
		Unit:    func(v visitor) core.Unit { return core.Actor(v.ID) },
		Control: core.Variant[visitor, string]{Value: "grey"},
		Variants: []core.Variant[visitor, string]{
			{Name: "red", Value: "red"},
			{Name: "blue", Value: "blue"},
			{Name: "green", Run: func(context.Context, visitor) (string, error) { return "#00a000", nil }},
		},
		Exclusions: []core.Rule[visitor]{
			{Name: "existing_customer", If: func(_ context.Context, v visitor) bool { return v.Customer }},
		},
		Segments: []core.Segment[visitor]{
			{Name: "old_account", Variant: "blue", If: func(_ context.Context, v visitor) bool { return 0 < v.Since && v.Since < 2018 }},
		},
		Rollout: percent.New(weights),
	})
}

// A round is what the visitors got when each of them came by once more.
type round struct {
	units  map[id]core.Assignment
	events int // sent by the experiment
}

// visit lets all visitors come by.
func visit(ctx context.Context, store core.Store, weights percent.Weights, visitors []visitor) (round, error) {
	r := round{units: make(map[id]core.Assignment, len(visitors))}
	tracker := core.TrackerFunc(func(context.Context, core.Event) error {
		r.events++
		return nil
	})
	pillColor, err := open(store, tracker, weights)
	if err != nil {
		return r, err
	}
	for _, v := range visitors {
		ctx := ctx
		if v.Force != "" {
			ctx = core.WithForced(ctx, pillColor.Name(), v.Force)
		}
		trial := pillColor.For(v)
		if _, err := trial.Run(ctx); err != nil { // the colour to paint the pill in
			return r, err
		}
		r.units[v.ID] = trial.Assign(ctx)
	}
	return r, nil
}

// count returns how many units began in this way, in all and per variant.
func (r round) count(origin core.Source) (all int, per map[string]int) {
	per = map[string]int{}
	for _, a := range r.units {
		if a.Origin == origin {
			all++
			per[a.Variant]++
		}
	}
	return all, per
}
