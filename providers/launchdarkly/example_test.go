package launchdarkly_test

import (
	"context"
	"fmt"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

// The team's own client decides its experiments. The DataStore is what tells a
// flag that is on for everybody from one that splits.
func Example() {
	source := ldtestdata.DataSource() // in production: nothing, which is LaunchDarkly
	source.Update(source.Flag("shop_pill_color").
		Variations(ldvalue.String("control"), ldvalue.String("red")).FallthroughVariationIndex(1).OffVariationIndex(0))

	flags := launchdarkly.DataStore(nil)
	client, err := ld.MakeCustomClient("sdk-key", ld.Config{
		DataSource: source, DataStore: flags, Events: ldcomponents.NoEvents(), Logging: ldcomponents.NoLogging(),
	}, 5*time.Second)
	if err != nil {
		// Not connected in time. Experiments serve control until it is.
		fmt.Println(err)
	}
	defer client.Close()

	experiments, err := core.New(core.Config{
		Rollout:    launchdarkly.New(client, &launchdarkly.Options{Definitions: flags}),
		KeySecret:  []byte("an example's secret is no secret"),
		NamePrefix: "shop",
	})
	if err != nil {
		panic(err)
	}
	pillColor := core.MustDefine(experiments, core.Definition[string, string]{
		Name:     "pill_color",
		Unit:     core.Actor[string],
		Control:  core.Variant[string, string]{Value: "grey"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "crimson"}},
	})
	color, _ := pillColor.Run(context.Background(), "ada")
	a := pillColor.Assign(context.Background(), "ada")
	fmt.Println(color, a.State, a.Reason)

	source.Update(source.Flag("shop_pill_color").On(false))
	color, _ = pillColor.Run(context.Background(), "ada")
	a = pillColor.Assign(context.Background(), "ada")
	fmt.Println(color, a.State, a.Reason)
	// Output:
	// crimson on FALLTHROUGH
	// grey off OFF
}
