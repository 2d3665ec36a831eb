package launchdarkly_test

import (
	"context"
	"fmt"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/ldhooks"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

// An app that evaluates its flags itself gets assignment events by one hook.
func ExampleNewHook() {
	experiments, err := core.New(core.Config{
		KeySecret: []byte("an example's secret is no secret"),
		Tracker: core.TrackerFunc(func(_ context.Context, e core.Event) error {
			fmt.Println(e.Action, e.Experiment, e.Variant, e.State)
			return nil
		}),
	})
	if err != nil {
		panic(err)
	}
	hook := launchdarkly.NewHook(experiments, &launchdarkly.HookOptions{
		Experiment: func(flag string) string {
			if flag == "pill_color" {
				return "shop_pill_color"
			}
			return "" // no experiment
		},
	})

	source := ldtestdata.DataSource()
	source.Update(source.Flag("pill_color").Variations(ldvalue.String("control"), ldvalue.String("red")).FallthroughVariationIndex(1))
	source.Update(source.Flag("maintenance"))
	client, err := ld.MakeCustomClient("sdk-key", ld.Config{
		DataSource: source, Hooks: []ldhooks.Hook{hook}, Events: ldcomponents.NoEvents(), Logging: ldcomponents.NoLogging(),
	}, 5*time.Second)
	if err != nil {
		fmt.Println(err)
	}
	defer client.Close()

	ada := ldcontext.New("ada")
	color, _ := client.StringVariation("pill_color", ada, "control")
	_, _ = client.BoolVariation("maintenance", ada, false)
	fmt.Println(color)
	// Output:
	// assignment shop_pill_color red conditional
	// red
}
