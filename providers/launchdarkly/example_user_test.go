package launchdarkly_test

import (
	"context"
	"fmt"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

type userKey struct{}

// A team whose flags target its own users, by their ids, and by the
// organizations they belong to.
func ExampleOptions() {
	source := ldtestdata.DataSource()
	source.Update(source.Flag("new_search").
		Variations(ldvalue.Bool(false), ldvalue.Bool(true)).
		FallthroughVariationIndex(0).OffVariationIndex(0).
		VariationIndexForKey("user", "ada", 1).
		VariationIndexForKey("organization", "acme", 1))
	client, err := ld.MakeCustomClient("sdk-key", ld.Config{
		DataSource: source, Events: ldcomponents.NoEvents(), Logging: ldcomponents.NoLogging(),
	}, 5*time.Second)
	if err != nil {
		fmt.Println(err)
	}
	defer client.Close()

	options := &launchdarkly.Options{
		Kind:     "user",
		KeyTrait: "id", // shared on purpose: this is the user's id, in LaunchDarkly
		Kinds:    map[string]string{"organization": "org"},
		EventContext: func(ctx context.Context, _ core.Event) (ldcontext.Context, error) {
			id, _ := ctx.Value(userKey{}).(string)
			return ldcontext.New(id), nil
		},
	}
	experiments, err := core.New(core.Config{
		Rollout:   launchdarkly.New(client, options),
		Tracker:   launchdarkly.NewTracker(client, options),
		KeySecret: []byte("an example's secret is no secret"),
	})
	if err != nil {
		panic(err)
	}
	type user struct{ id, org string }
	search := core.MustDefine(experiments, core.Definition[user, string]{
		Name: "new_search",
		Unit: func(u user) core.Unit {
			return core.Actor(u.id).Traits(core.String("id", u.id), core.String("org", u.org))
		},
		Variants: []core.Variant[user, string]{{Name: core.Candidate}},
	})
	for _, u := range []user{{"ada", "none"}, {"bob", "none"}, {"carl", "acme"}} {
		ctx := context.WithValue(context.Background(), userKey{}, u.id)
		fmt.Println(u.id, search.Publish(ctx, u).Variant)
	}
	// Output:
	// ada candidate
	// bob control
	// carl candidate
}
