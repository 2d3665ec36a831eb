package unleash_test

import (
	"context"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// Payloads are looked up by the variant that a unit got, so it does not matter
// how it got it.
func ExampleRollout_Payload() {
	client, storage, done := exampleClient(nil, nil)
	defer done()
	rollout := unleash.New(client, &unleash.Options{Storage: storage})
	shop, err := core.New(core.Config{Rollout: rollout, KeySecret: exampleSecret, NamePrefix: "shop"})
	if err != nil {
		panic(err)
	}
	pillColor := core.MustDefine(shop, core.Definition[*User, string]{
		Name:    "pill_color",
		Unit:    func(u *User) core.Unit { return core.Actor(u.ID) },
		Control: core.Variant[*User, string]{Value: "grey"},
		Variants: []core.Variant[*User, string]{{Name: "red", Run: func(context.Context, *User) (string, error) {
			p, err := rollout.Payload("shop_pill_color", "red")
			return p.Value, err
		}}},
	})
	fmt.Println(pillColor.For(&User{ID: "ada"}).AssignTo("red").Run(context.Background()))
	// Output: #c00 <nil>
}
