// Command unleash runs experiments on the toggles of an Unleash server, or on
// bootstrap data without any server, and shows who gets what. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "unleash:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("unleash", flag.ContinueOnError)
	url := flags.String("url", "", "ask the server at this `URL`, such as http://127.0.0.1:4242/api")
	token := flags.String("token", os.Getenv("UNLEASH_TOKEN"), "the client `TOKEN` for it; $UNLEASH_TOKEN if not given")
	watch := flags.Bool("watch", false, "show the experiments again whenever a toggle changes, until Ctrl-C")
	switch err := flags.Parse(args); {
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *watch && *url == "":
		return errors.New("-watch needs -url: bootstrap data do not change")
	}
	conn, err := connect(ctx, *url, *token)
	if err != nil {
		return err
	}
	defer conn.close()
	shop, err := openShop(conn.rollout)
	if err != nil {
		return err
	}
	shop.show(ctx, out)
	for *watch {
		select {
		case names := <-conn.changes:
			fmt.Fprintf(out, "\nchanged: %s\n\n", strings.Join(names, ", "))
			shop.show(ctx, out)
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
