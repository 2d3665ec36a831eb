// Command quickstart runs an experiment on ten thousand visitors, or on yours,
// and shows what became of them. See README.md.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

func main() {
	file := flag.String("visitors", "", "read visitors, one JSON object a line, from `FILE`, or from stdin if it is -")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "quickstart: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := run(*file, os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(file string, stdin io.Reader, stdout, stderr io.Writer) error {
	visitors, from, skipped, err := load(file, stdin, stderr)
	if err != nil {
		return err
	}
	ctx, store := context.Background(), memstore.New(nil)
	var rounds [3]round
	for i, weights := range []percent.Weights{atFirst, ramped, ramped} {
		if rounds[i], err = visit(ctx, store, weights, visitors); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "Experiment shop_pill_color: grey pills (control) or red, blue or green ones\n")
	fmt.Fprintf(&out, "%s visits by %s visitors, %s", thousands(len(visitors)), thousands(len(rounds[0].units)), from)
	if skipped > 0 {
		fmt.Fprintf(&out, "; %s bad lines skipped", thousands(skipped))
	}
	fmt.Fprintf(&out, "\n\n1. The visitors come by. Control has %v %%.\n\n", atFirst[core.Control])
	printSplit(&out, rounds[0], atFirst)
	printRest(&out, rounds[0])
	fmt.Fprintf(&out, "\n2. A ramp: control shrinks to %v %%. They come by again, and some move.\n\n", ramped[core.Control])
	printMoves(&out, rounds[0], rounds[1])
	fmt.Fprintln(&out)
	printSplit(&out, rounds[1], ramped)
	fmt.Fprintf(&out, "\n3. They come by once more.\n\n")
	printMoves(&out, rounds[1], rounds[2])
	_, err = out.WriteTo(stdout)
	return err
}
