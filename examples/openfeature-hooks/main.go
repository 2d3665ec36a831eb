// Command openfeature-hooks is an HTTP service that evaluates flags through
// OpenFeature, and gains experiment tracking by one hook. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/open-feature/go-sdk/openfeature/isolated"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

func main() {
	addr := flag.String("addr", "", "serve at `HOST:PORT` until interrupted, instead of sending visits")
	hook := flag.Bool("hook", true, "track experiments")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *hook, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run runs the service: until ctx ends, or, without an address, for the visits
// that it sends itself.
func run(ctx context.Context, addr string, hook bool, out io.Writer) (err error) {
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
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	base := "http://" + listener.Addr().String()
	if demo {
		return visits(base, events)
	}
	events.printf("serving at %s\n", base)
	<-ctx.Done()
	return nil
}

// secret would come from a secret store, and has to stay the same for ever.
var secret = []byte("an example's secret of 32 bytes.")

// visits sends the service the visits of some people, one after the other, some
// of whom come again.
func visits(base string, events *printer) error {
	people := []string{"ada", "bob", "cy", "dot", "eve", "fay", "gil", "hal", "", "ada", "bob", "ada"}
	for _, user := range people {
		events.printf("%-8s", user)
		response, err := http.Get(base + "/?user=" + user)
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
