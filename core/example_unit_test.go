package core_test

import (
	"context"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// An assignment can stick to anything: here to a project, whoever looks at it.
func ExampleUnit_StickyTo() {
	unit := func(user, project string) core.Unit {
		return core.NewUnit(core.String("actor", user), core.String("project", project)).StickyTo("project")
	}
	ctx := context.Background()
	byUnit := unitExperiment()
	same := byUnit.Assign(ctx, unit("ada", "go")).Key == byUnit.Assign(ctx, unit("bob", "go")).Key
	fmt.Println("the same experience:", same)
	// Output: the same experience: true
}

// A unit that changes says what it was, and keeps its variant.
func ExampleUnit_MigratedFrom() {
	ctx := context.Background()
	byUnit := unitExperiment()
	before := byUnit.Assign(ctx, core.Actor("ada"))
	after := byUnit.Assign(ctx, core.NewUnit(core.String("actor", "ada"), core.Int("version", 2)).
		MigratedFrom(core.Actor("ada")))
	fmt.Println(after.Source, after.Variant == before.Variant, after.MigrationKeys[0] == before.Key)
	// Output: stored true true
}

// unitExperiment has units for subjects.
func unitExperiment() *core.Experiment[core.Unit, int] {
	client, err := core.New(core.Config{Store: memstore.New(nil), KeySecret: exampleSecret})
	if err != nil {
		panic(err)
	}
	return core.MustDefine(client, core.Definition[core.Unit, int]{
		Name: "units", Unit: func(u core.Unit) core.Unit { return u },
		Variants: []core.Variant[core.Unit, int]{{Name: core.Candidate, Value: 1}},
	})
}

// Inline defines an experiment at its only call site.
func ExampleInline() {
	client, err := core.New(core.Config{KeySecret: exampleSecret})
	if err != nil {
		panic(err)
	}
	greet := func(name string) (string, error) {
		return core.Inline(client, core.Definition[string, string]{
			Name:    "greeting",
			Unit:    func(id string) core.Unit { return core.Actor(id) },
			Control: core.Variant[string, string]{Value: "Hello, " + name},
			Variants: []core.Variant[string, string]{
				{Name: core.Candidate, Run: func(context.Context, string) (string, error) { return "Hi, " + name, nil }},
			},
		}).Run(context.Background(), name)
	}
	for _, name := range []string{"ada", "bob", "dan"} {
		fmt.Println(greet(name))
	}
	// Output:
	// Hi, ada <nil>
	// Hello, bob <nil>
	// Hello, dan <nil>
}

// Code that has only attributes reaches a typed experiment by its name.
func ExampleBind() {
	byUnit := unitExperiment()
	x := core.Bind(byUnit, func(attrs map[string]any) (core.Unit, error) {
		id, ok := attrs["targetingKey"].(string)
		if !ok {
			return core.Unit{}, fmt.Errorf("targetingKey is no text")
		}
		return core.Actor(id), nil
	})
	trial, err := x.For(map[string]any{"targetingKey": "ada"})
	if err != nil {
		panic(err)
	}
	a := trial.Assign(context.Background())
	fmt.Println(a.Experiment, a.Source)
	_, err = x.For(nil)
	fmt.Println(err)
	// Output:
	// units resolved
	// core: experiment units: targetingKey is no text
}
