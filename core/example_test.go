package core_test

import (
	"context"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

type User struct {
	ID       string
	Customer bool
	Years    int
}

// printer prints events as a tracker would send them.
var printer = core.TrackerFunc(func(_ context.Context, e core.Event) error {
	fmt.Printf("event: %s %s=%s (%s)\n", e.Action, e.Experiment, e.Variant, e.Source)
	return nil
})

var exampleSecret = []byte("keep 32 bytes like these secret!")

func byID(u *User) core.Unit { return core.Actor(u.ID) }

func Example() {
	// region pillcolor
	client, err := core.New(core.Config{
		Store:     memstore.New(nil),
		Tracker:   printer,
		KeySecret: exampleSecret,
	})
	if err != nil {
		panic(err)
	}
	pillColor, err := core.Define(client, core.Definition[*User, string]{
		Name:     "pill_color",
		Unit:     func(u *User) core.Unit { return core.Actor(u.ID) },
		Control:  core.Variant[*User, string]{Value: "grey"},
		Variants: []core.Variant[*User, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
		Rollout:  percent.New(percent.Weights{"control": 25, "red": 30, "blue": 45}),
	})
	if err != nil {
		panic(err)
	}

	ada := &User{ID: "ada"}
	color, _ := pillColor.Run(context.Background(), ada)
	fmt.Println("the pill is", color)
	_ = pillColor.Track(context.Background(), ada, core.Event{Action: "clicked", Value: 1})
	// endregion

	// Output:
	// event: assignment pill_color=blue (resolved)
	// the pill is blue
	// event: clicked pill_color=blue (stored)
}
