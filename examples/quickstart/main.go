// Command quickstart runs an experiment on ten thousand visitors, or on yours,
// and shows what became of them. See README.md.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/rolloutkit/rolloutkit/core"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run returns the exit code: 1 for what went wrong, 2 for wrong arguments.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("visitors", "", "read visitors, one JSON object a line, from `FILE`, or from stdin if it is -")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "quickstart: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if err := quickstart(*file, stdin, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	return 0
}

// mostSkipped is how many bad lines are told one by one.
const mostSkipped = 10

func quickstart(file string, stdin io.Reader, stdout, stderr io.Writer) error {
	from, name := io.Reader(bytes.NewReader(bundled)), "bundled"
	switch file {
	case "":
	case "-":
		from, name = stdin, "from stdin"
	default:
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("can't read the visitors: %w", err)
		}
		defer func() { _ = f.Close() }()
		from, name = f, "from "+file
	}
	skipped := 0
	visitors, err := read(from, func(line int, why error) {
		if skipped++; skipped <= mostSkipped {
			fmt.Fprintf(stderr, "line %d skipped: %v\n", line, why)
		}
	})
	if skipped > mostSkipped {
		fmt.Fprintf(stderr, "%s more lines skipped\n", thousands(skipped-mostSkipped))
	}
	switch {
	case err != nil:
		return fmt.Errorf("can't read the visitors: %w", err)
	case len(visitors) == 0:
		return fmt.Errorf("no visitors %s", name)
	}

	ctx, store := context.Background(), core.NewMemoryStore(nil)
	first, err := visit(ctx, store, atFirst, visitors)
	if err != nil {
		return err
	}
	second, err := visit(ctx, store, ramped, visitors)
	if err != nil {
		return err
	}
	third, err := visit(ctx, store, ramped, visitors)
	if err != nil {
		return err
	}
	p := printer{out: stdout}
	p.printf("Experiment shop_pill_color: grey pills (control) or red, blue or green ones\n")
	p.printf("%s visits by %s visitors, %s", thousands(len(visitors)), thousands(len(first.units)), name)
	if skipped > 0 {
		p.printf("; %s bad lines skipped", thousands(skipped))
	}
	p.printf("\n\n1. The visitors come by. Control has %v %%.\n\n", atFirst[core.Control])
	p.split(first, atFirst)
	p.rest(first)
	p.printf("\n2. A ramp: control shrinks to %v %%. They come by again, and some move.\n\n", ramped[core.Control])
	p.moves(first, second)
	p.printf("\n")
	p.split(second, ramped)
	p.printf("\n3. They come by once more.\n\n")
	p.moves(second, third)
	return p.err
}
