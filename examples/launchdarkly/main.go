// Command launchdarkly runs experiments that LaunchDarkly's flags decide. The
// flags are in a file, in LaunchDarkly's own format, so it needs no account and
// no network. Only the DataSource would be another in production.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldlog"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/ldfiledata"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

func main() {
	path := "examples/launchdarkly/flags.json"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	if err := run(os.Stdout, path); err != nil {
		log.Fatal(err)
	}
}

// A visitor is the app's own type of a subject.
type visitor struct{ ID, Plan string }

type (
	definition = core.Definition[visitor, string]
	variant    = core.Variant[visitor, string]
)

// unit shares the plan with LaunchDarkly, whose rules may ask for it. The id
// makes the anonymous key and stays here.
func unit(v visitor) core.Unit {
	return core.Actor(v.ID).Traits(core.String("plan", v.Plan))
}

func run(w io.Writer, path string) error {
	// region client
	flags := launchdarkly.DataStore(nil) // lets the rollout see the flags themselves
	client, err := ld.MakeCustomClient("no account", ld.Config{
		DataSource: ldfiledata.DataSource().FilePaths(path),
		DataStore:  flags,
		Events:     ldcomponents.NoEvents(),
		Logging:    ldcomponents.Logging().MinLevel(ldlog.Error),
	}, 5*time.Second)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer client.Close()

	experiments, err := core.New(core.Config{
		Rollout:    launchdarkly.New(client, &launchdarkly.Options{Definitions: flags}),
		Store:      memstore.New(nil),
		KeySecret:  []byte("an example's secret is no secret"),
		NamePrefix: "shop",
		Logger:     slog.New(slog.DiscardHandler), // errors are printed below
	})
	// endregion
	if err != nil {
		return err
	}

	for _, def := range []definition{
		{Name: "pill_color", Variants: []variant{{Name: "red"}, {Name: "blue"}}}, // a percentage rollout
		{Name: "checkout", Variants: []variant{{Name: core.Candidate}}},          // a boolean flag with a rule
		{Name: "banner", Variants: []variant{{Name: "wide"}}},                    // on for everybody
		{Name: "search", Variants: []variant{{Name: core.Candidate}}},            // off
		{Name: "delivery", Variants: []variant{{Name: "pigeon"}}},                // a rollout by users, whom it never sees
		{Name: "help", Variants: []variant{{Name: core.Candidate}}},              // no flag
	} {
		def.Unit = unit
		experiment, err := core.Define(experiments, def)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s  %s\n", experiment.Name(), assigned(experiment))
	}
	return nil
}

// assigned says what the visitors get, or why they get nothing.
func assigned(e *core.Experiment[visitor, string]) string {
	var state core.State
	var got []string
	for _, v := range []visitor{{"ada", "gold"}, {"grace", "free"}, {"barbara", "free"}, {"margaret", "gold"}} {
		a := e.Publish(context.Background(), v)
		if a.Err != nil {
			return a.Err.Error() // the same for all
		}
		state = a.State
		if a.Tracked {
			got = append(got, v.ID+" "+a.Variant)
		} else {
			got = append(got, v.ID+" "+a.Variant+" (not counted)")
		}
	}
	return state.String() + ": " + strings.Join(got, ", ")
}
