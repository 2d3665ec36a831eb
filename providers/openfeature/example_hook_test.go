package openfeature_test

import (
	"context"
	"fmt"
	"strings"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"github.com/open-feature/go-sdk/openfeature/memprovider"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// printing is a tracker that prints what it gets.
var printing = core.TrackerFunc(func(_ context.Context, e core.Event) error {
	fmt.Println(e.Action, e.Experiment, e.Variant, e.State)
	return nil
})

// flags are the app's, in whatever flag system it has.
func flags() of.FeatureProvider {
	return memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{
		"button_color": colors("red", of.SplitReason),
		"newCheckout":  flagOf(true, "on", of.SplitReason, nil),
	})
}

// must ends an example that can't work.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// An app that asks OpenFeature for a color, and counts by one line who got which.
func ExampleNewHook() {
	ctx := context.Background()
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(ctx, flags()); err != nil {
		panic(err)
	}
	experiments := must(core.New(core.Config{KeySecret: secret, Tracker: printing}))

	api.AddHooks(openfeature.NewHook(experiments, openfeature.OnlyFlags("button_color")))

	client := api.NewClient()
	color := client.String(ctx, "button_color", "grey", of.NewEvaluationContext("ada", nil))
	fmt.Println("the button is", color)
	// Output:
	// assignment button_color red conditional
	// the button is red
}

// hookedBy returns a client as in ExampleNewHook.
func hookedBy(options ...openfeature.HookOption) *of.Client {
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(context.Background(), flags()); err != nil {
		panic(err)
	}
	experiments := must(core.New(core.Config{KeySecret: secret, Tracker: printing}))
	api.AddHooks(openfeature.NewHook(experiments, options...))
	return api.NewClient()
}

// The experiment counts accounts, and leaves robots and a team of testers out.
func ExampleExcludedBy() {
	client := hookedBy(
		openfeature.OnlyFlags("button_color"),
		openfeature.UnitBy(func(c of.EvaluationContext) core.Unit {
			account, _ := c.Attribute("account").(string)
			return core.NewUnit(core.String("account", account))
		}),
		openfeature.ExcludedBy(func(_ context.Context, about of.HookContext) bool {
			c := about.EvaluationContext()
			return c.Attribute("account") == "testers" || strings.HasPrefix(c.TargetingKey(), "bot-")
		}),
	)
	for who, account := range map[string]string{"bot-7": "acme", "tess": "testers", "ada": "acme"} {
		client.String(context.Background(), "button_color", "grey", of.NewEvaluationContext(who, map[string]any{"account": account}))
	}
	// Output:
	// assignment button_color red conditional
}

// Flags whose keys are no names of experiments are given one.
func ExampleNamedBy() {
	names := map[string]string{"newCheckout": "shop_checkout"}
	client := hookedBy(openfeature.NamedBy(func(flag string) string { return names[flag] }))
	client.Boolean(context.Background(), "newCheckout", false, of.NewEvaluationContext("ada", nil))
	// Output:
	// assignment shop_checkout candidate conditional
}
