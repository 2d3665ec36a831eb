// Command customprovider runs an experiment whose flags are in a file. FlagFile,
// in flagfile.go, is all there is to a provider of one's own.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

func main() {
	path := "examples/customprovider/flags.json"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	if err := run(os.Stdout, path); err != nil {
		log.Fatal(err)
	}
}

func run(w io.Writer, path string) error {
	flags := new(FlagFile)
	if err := flags.Load(path); err != nil {
		return err
	}
	client, err := core.New(core.Config{
		Rollout:   flags,
		Store:     memstore.New(nil),
		KeySecret: []byte("an example's secret is no secret"),
	})
	if err != nil {
		return err
	}
	pillColor, err := core.Define(client, core.Definition[string, string]{
		Name:     "pill_color",
		Unit:     core.Actor[string],
		Control:  core.Variant[string, string]{Value: "grey"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
	})
	if err != nil {
		return err
	}
	for _, user := range []string{"ada", "grace", "barbara", "margaret"} {
		color, _ := pillColor.Run(context.Background(), user)
		fmt.Fprintf(w, "%s sees a %s pill\n", user, color)
	}
	return nil
}
