package unleash_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// An analyst is a listener of the Unleash client that hears of impressions.
type analyst struct{ impressions chan uc.ImpressionEvent }

func (a analyst) OnImpression(e uc.ImpressionEvent) { a.impressions <- e }

// Impressions are the way from Unleash to an analytics system: of toggles with
// impressionData, each evaluation, under the same anonymous key as the
// experiment's own events.
func ExampleDetach() {
	heard := analyst{impressions: make(chan uc.ImpressionEvent)}
	client, storage, done := exampleClient(unleash.Detach(heard), nil)
	defer done()
	shop, err := core.New(core.Config{
		Rollout: unleash.New(client, &unleash.Options{Storage: storage}), KeySecret: exampleSecret, NamePrefix: "shop",
	})
	if err != nil {
		panic(err)
	}
	pillColor := core.MustDefine(shop, core.Definition[*User, string]{
		Name:     "pill_color",
		Unit:     func(u *User) core.Unit { return core.Actor(u.ID) },
		Control:  core.Variant[*User, string]{Value: "grey"},
		Variants: []core.Variant[*User, string]{{Name: "red", Value: "red"}},
	})
	a := pillColor.Assign(context.Background(), &User{ID: "ada"})
	e := <-heard.impressions
	fmt.Println(e.FeatureName, e.Variant, e.Context.UserId == a.Key)
	// Output: shop_pill_color disabled true
}

// OnChange tells which toggles changed, the moment they did.
func ExampleNewStorage() {
	changes := make(chan []string)
	_, _, done := exampleClient(nil, func(names []string) { changes <- names })
	defer done()
	fmt.Println(<-changes)
	// Output: [shop_pill_color]
}

// exampleClient returns a client with bootstrap data, as in [ExampleNew].
func exampleClient(listener any, onChange func([]string)) (client *uc.Client, storage *unleash.Storage, done func()) {
	backups, err := os.MkdirTemp("", "unleash-example")
	if err != nil {
		panic(err)
	}
	storage = unleash.NewStorage(&uc.BootstrapStorage{Reader: strings.NewReader(toggles)},
		&unleash.StorageOptions{OnChange: onChange})
	client, err = uc.NewClient(uc.WithUrl("http://127.0.0.1:1/api/"), uc.WithAppName("shop"),
		uc.WithBackupPath(backups), uc.WithStorage(storage), uc.WithListener(listener))
	if err != nil {
		panic(err)
	}
	return client, storage, func() { _ = client.Close(); _ = os.RemoveAll(backups) }
}
