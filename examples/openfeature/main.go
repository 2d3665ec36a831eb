// Command openfeature shows the three ways in which experiments and OpenFeature
// go together. See README.md.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"github.com/rolloutkit/rolloutkit/core"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "openfeature:", err)
		os.Exit(1)
	}
}

var customers = []customer{{id: "ada"}, {id: "bob"}, {id: "fay"}, {id: "eve", staff: true}}

func run(ctx context.Context, out io.Writer) error {
	api := isolated.NewAPI()
	defer func() { _ = api.Shutdown(context.Background()) }()
	if err := api.SetProviderAndWait(ctx, flags(), of.WithDomain(flagDomain)); err != nil {
		return err
	}
	client := api.NewClient(of.WithDomain(flagDomain))
	tracker := core.TrackerFunc(func(_ context.Context, e core.Event) error {
		_, err := fmt.Fprintf(out, "    event: %s %s %s, key %.8s\n", e.Action, e.Experiment, e.Variant, e.Key)
		return err
	})
	shop, err := experiments(client, tracker)
	if err != nil {
		return err
	}
	color, err := buttonColor(shop)
	if err != nil {
		return err
	}

	fmt.Fprintln(out, "1. A flag decides an experiment.")
	for _, c := range customers {
		a := color.Assign(ctx, c)
		value, err := color.Run(ctx, c)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s: %s (%v)\n", c.id, value, a.Source)
	}

	fmt.Fprintln(out, "\n2. The experiment is a flag, for code that only speaks OpenFeature.")
	if err := bind(ctx, api, shop, color, experimentDomain); err != nil {
		return err
	}
	old := api.NewClient(of.WithDomain(experimentDomain))
	for _, c := range customers {
		who := of.NewEvaluationContext(c.id, map[string]any{"staff": c.staff})
		details, err := old.StringValueDetails(ctx, "shop_button_color", "none", who)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s: %s (%s, %v)\n", c.id, details.Value, details.Reason, details.FlagMetadata["source"])
		old.Track(ctx, "bought", who, of.NewTrackingEventDetails(9.5))
	}

	fmt.Fprintln(out, "\n3. A flag that the program evaluates is tracked.")
	watch(api, shop)
	for _, id := range []string{"ada", "bob", "cy"} {
		ranking := client.String(ctx, "search_ranking", "control", of.NewEvaluationContext(id, nil))
		fmt.Fprintf(out, "  %s: %s\n", id, ranking)
	}

	fmt.Fprintln(out, "\n4. An experiment that would ask itself is refused.")
	err = bind(ctx, api, shop, color, flagDomain)
	fmt.Fprintf(out, "  %v\n", err)
	return nil
}
