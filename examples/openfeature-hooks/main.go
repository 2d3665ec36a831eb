// Command openfeature-hooks is an HTTP service that evaluates flags through
// OpenFeature, and gains experiment tracking by one hook. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/open-feature/go-sdk/openfeature/isolated"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 1 for what went wrong, 2 for wrong arguments.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	options := flag.NewFlagSet("openfeature-hooks", flag.ContinueOnError)
	options.SetOutput(stderr)
	addr := options.String("addr", "", "serve at `HOST:PORT` until interrupted, instead of sending visits")
	hook := options.Bool("hook", true, "track experiments")
	if err := options.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if err := serve(ctx, *addr, *hook, stdout); err != nil {
		fmt.Fprintln(stderr, "openfeature-hooks:", err)
		return 1
	}
	return 0
}

// serve runs the service: until ctx ends, or, without an address, for the visits
// that it sends itself.
func serve(ctx context.Context, addr string, hook bool, out io.Writer) (err error) {
	api := isolated.NewAPI()
	defer func() { err = errors.Join(err, api.Shutdown(context.Background())) }()
	if err := api.SetProviderAndWait(ctx, flags()); err != nil {
		return err
	}
	events := &printer{out: out, seen: map[string]bool{}}
	if hook {
		// region hook
		experiments, err := core.New(core.Config{KeySecret: secret, Tracker: events})
		if err != nil {
			return err
		}
		api.AddHooks(openfeature.NewHook(experiments, openfeature.OnlyFlags("button_color")))
		// endregion
	}

	demo := addr == ""
	if demo {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: &shop{flags: api.NewClient()}, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	defer func() {
		_ = server.Shutdown(context.Background())
		<-ended
	}()
	base := "http://" + listener.Addr().String()
	if demo {
		return visits(ctx, base, events)
	}
	events.printf("serving at %s\n", base)
	<-ctx.Done()
	return nil
}

// secret would come from a secret store, and has to stay the same for ever.
var secret = []byte("an example's secret of 32 bytes.")

// visits sends the service the visits of some people, one after the other, some
// of whom come again.
func visits(ctx context.Context, base string, events *printer) error {
	people := []string{"ada", "bob", "cy", "dot", "eve", "fay", "gil", "hal", "", "ada", "bob", "ada"}
	for _, user := range people {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/?user="+url.QueryEscape(user), nil)
		if err != nil {
			return err
		}
		events.printf("%-8s", user)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return err
		}
		events.printf("%s\n", answer)
	}
	events.printf("%d visits, %d events, %d of them new\n", len(people), events.all, len(events.seen))
	return nil
}

// A printer is a tracker that prints events.
type printer struct {
	mu   sync.Mutex
	out  io.Writer
	all  int
	seen map[string]bool // by ID, as whoever counts events does
}

func (p *printer) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, format, args...)
}

func (p *printer) Track(_ context.Context, e core.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all++
	again := ""
	if p.seen[e.ID] {
		again = ", again"
	}
	p.seen[e.ID] = true
	_, err := fmt.Fprintf(p.out, "[%s %s %s, key %.8s%s] ", e.Action, e.Experiment, e.Variant, e.Key, again)
	return err
}
