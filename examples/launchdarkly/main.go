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
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldlog"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/ldfiledata"

	"github.com/rolloutkit/rolloutkit/core"
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
		Store:      core.NewMemoryStore(nil),
		KeySecret:  []byte("an example's secret is no secret"),
		NamePrefix: "shop",
		Logger:     slog.New(slog.DiscardHandler), // errors are printed below
	})
	// endregion
	if err != nil {
		return err
	}

	visitors := []visitor{{"ada", "gold"}, {"grace", "free"}, {"barbara", "free"}, {"margaret", "gold"}}
	for _, e := range []struct {
		name     string
		variants []string
	}{
		{"pill_color", []string{"red", "blue"}}, // a percentage rollout
		{"checkout", []string{core.Candidate}},  // a boolean flag with a rule
		{"banner", []string{"wide"}},            // on for everybody
		{"search", []string{core.Candidate}},    // off
		{"delivery", []string{"pigeon"}},        // a rollout by users, whom it never sees
		{"help", []string{core.Candidate}},      // no flag
	} {
		if err := show(w, experiments, e.name, e.variants, visitors); err != nil {
			return err
		}
	}
	return nil
}

// show defines an experiment and prints what the visitors get.
func show(w io.Writer, client *core.Client, name string, variants []string, visitors []visitor) error {
	def := core.Definition[visitor, string]{Name: name, Unit: unit}
	for _, v := range variants {
		def.Variants = append(def.Variants, core.Variant[visitor, string]{Name: v})
	}
	e, err := core.Define(client, def)
	if err != nil {
		return err
	}
	line := ""
	for i, v := range visitors {
		a := e.Publish(context.Background(), v)
		if a.Err != nil {
			line = "  " + a.Err.Error() // the same for all
			break
		}
		if i == 0 {
			line = "  " + a.State.String() + ": "
		} else {
			line += ", "
		}
		line += v.ID + " " + a.Variant
		if !a.Tracked {
			line += " (not counted)"
		}
	}
	_, err = fmt.Fprintln(w, e.Name()+line)
	return err
}
