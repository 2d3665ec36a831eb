package unleash_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// The toggle of the examples, as bootstrap data: half of the units get red.
const toggles = `{"version": 2, "features": [{
	"name": "shop_pill_color", "enabled": true, "impressionData": true,
	"strategies": [{
		"name": "flexibleRollout",
		"parameters": {"rollout": "50", "stickiness": "default", "groupId": "shop_pill_color"},
		"variants": [{"name": "red", "weight": 1000, "payload": {"type": "string", "value": "#c00"}}]
	}]
}]}`

var exampleSecret = []byte("keep 32 bytes like these secret!")

// A User is an app's own type.
type User struct{ ID string }

// A team that runs Unleash adds a storage to its client, and a rollout over
// that to its experiments.
func ExampleNew() {
	backups, err := os.MkdirTemp("", "unleash-example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(backups)
	ctx := context.Background()

	// region new
	storage := unleash.NewStorage(&uc.BootstrapStorage{Reader: strings.NewReader(toggles)}, nil)
	client, err := uc.NewClient(
		uc.WithUrl("http://127.0.0.1:1/api/"), // nobody is there: bootstrap data will do
		uc.WithAppName("shop"),
		uc.WithHttpClient(&http.Client{Timeout: 5 * time.Second}),
		uc.WithBackupPath(backups),
		uc.WithStorage(storage),
	)
	if err != nil {
		panic(err)
	}
	defer client.Close()

	shop, err := core.New(core.Config{
		Rollout:    unleash.New(client, &unleash.Options{Storage: storage}),
		Store:      memstore.New(nil),
		KeySecret:  exampleSecret,
		NamePrefix: "shop",
	})
	if err != nil {
		panic(err)
	}
	pillColor, err := core.Define(shop, core.Definition[*User, string]{
		Name:     "pill_color",
		Unit:     func(u *User) core.Unit { return core.Actor(u.ID) },
		Control:  core.Variant[*User, string]{Value: "grey"},
		Variants: []core.Variant[*User, string]{{Name: "red", Value: "red"}},
	})
	if err != nil {
		panic(err)
	}
	for _, id := range []string{"ada", "bob", "cleo", "dan"} {
		color, _ := pillColor.Run(ctx, &User{ID: id})
		fmt.Println(id, "gets a pill in", color)
	}
	// endregion

	// Output:
	// ada gets a pill in grey
	// bob gets a pill in grey
	// cleo gets a pill in red
	// dan gets a pill in red
}
