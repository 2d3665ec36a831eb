package core_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// trialExperiment gives everybody red.
func trialExperiment(change func(*core.Config, *core.Definition[*User, string])) *core.Experiment[*User, string] {
	cfg := core.Config{Store: memstore.New(nil), Tracker: printer, KeySecret: exampleSecret}
	def := core.Definition[*User, string]{
		Name: "pill_color", Unit: byID, Control: core.Variant[*User, string]{Value: "grey"},
		Variants: []core.Variant[*User, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
		Rollout:  percent.New(percent.Weights{"red": 100}),
	}
	if change != nil {
		change(&cfg, &def)
	}
	client, err := core.New(cfg)
	if err != nil {
		panic(err)
	}
	return core.MustDefine(client, def)
}

// Rules of the definition keep units out, or send them into a variant.
func ExampleDefinition_rules() {
	pillColor := trialExperiment(func(_ *core.Config, d *core.Definition[*User, string]) {
		d.Exclusions = []core.Rule[*User]{
			{Name: "existing_customer", If: func(_ context.Context, u *User) bool { return u.Customer }},
		}
		d.Segments = []core.Segment[*User]{
			{Name: "old_account", Variant: "blue", If: func(_ context.Context, u *User) bool { return u.Years > 2 }},
		}
	})
	for _, u := range []*User{{ID: "ada"}, {ID: "bob", Customer: true}, {ID: "cy", Years: 3}} {
		a := pillColor.Assign(context.Background(), u)
		fmt.Printf("%s: %s, %s %q\n", u.ID, a.Variant, a.Source, a.Rule)
	}
	// Output:
	// ada: red, resolved ""
	// bob: control, excluded "existing_customer"
	// cy: blue, segmented "old_account"
}

// What one call site wants to be different hangs on the trial.
func ExampleTrial() {
	pillColor := trialExperiment(nil)
	ctx := context.Background()

	ada := pillColor.For(&User{ID: "ada"})
	ada.Override("red", func(context.Context, *User) (string, error) { return "crimson", nil })
	color, _ := ada.Run(ctx)
	fmt.Println(color)

	bob := pillColor.For(&User{ID: "bob"}).AssignTo("blue").Assign(ctx)
	fmt.Println(bob.Variant, bob.Source)

	cy := pillColor.For(&User{ID: "cy"}).Exclude().Assign(ctx)
	fmt.Println(cy.Variant, cy.Source)
	// Output:
	// event: assignment pill_color=red (resolved)
	// crimson
	// blue manual
	// control excluded
}

// Later pages show the experiment only to those who are in it already.
func ExampleTrial_OnlyAssigned() {
	pillColor := trialExperiment(nil)
	ctx := context.Background()
	pillColor.Assign(ctx, &User{ID: "ada"}) // at sign-up
	for _, id := range []string{"ada", "bob"} {
		a := pillColor.For(&User{ID: id}).OnlyAssigned().Assign(ctx) // on the dashboard
		fmt.Println(id, a.Variant, a.Source)
	}
	// Output:
	// ada red stored
	// bob control unassigned
}

// Around wraps behaviours, as middleware wraps handlers.
func ExampleAround() {
	pillColor := trialExperiment(func(c *core.Config, d *core.Definition[*User, string]) {
		c.Around = []core.Around{
			func(ctx context.Context, a core.Assignment, next func(context.Context) error) {
				fmt.Println("start", a.Variant)
				err := next(ctx)
				fmt.Println("end", err)
			},
		}
		d.Variants[0].Run = func(context.Context, *User) (string, error) { return "", errors.New("out of paint") }
	})
	_, err := pillColor.Run(context.Background(), &User{ID: "ada"})
	fmt.Println("the caller gets:", err)
	// Output:
	// event: assignment pill_color=red (resolved)
	// start red
	// end out of paint
	// the caller gets: out of paint
}

// WithForced shows a variant to whoever wants to look at it.
func ExampleWithForced() {
	pillColor := trialExperiment(func(c *core.Config, _ *core.Definition[*User, string]) { c.AllowForced = true })
	ctx := core.WithForced(context.Background(), "pill_color", "blue")
	a := pillColor.Assign(ctx, &User{ID: "ada"})
	fmt.Println(a.Variant, a.Source)
	// Output: blue forced
}
