package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"time"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

//go:embed bootstrap.json
var bootstrap []byte

// patience is how long the program waits for a server before it goes on with
// what it has.
const patience = 5 * time.Second

// A connection is a client of Unleash, and a rollout over it.
type connection struct {
	rollout *unleash.Rollout
	changes chan []string // names of toggles that changed
	close   func()
}

// connect makes a client of the server at url, or one with bootstrap data if url
// is empty.
func connect(ctx context.Context, url, token string) (*connection, error) {
	backups, err := os.MkdirTemp("", "rolloutkit-unleash-") // a real app has a lasting one
	if err != nil {
		return nil, err
	}
	c := &connection{changes: make(chan []string)}
	done, cancel := context.WithCancel(ctx)
	ready := &readiness{reached: make(chan struct{})}

	onChange := func(names []string) {
		select {
		case c.changes <- names:
		case <-done.Done():
		}
	}
	storage := unleash.NewStorage(nil, &unleash.StorageOptions{OnChange: onChange})
	options := []uc.ConfigOption{
		uc.WithUrl(url),
		uc.WithCustomHeaders(http.Header{"Authorization": {token}}),
		uc.WithHttpClient(&http.Client{Timeout: patience}),
		uc.WithRefreshInterval(time.Second),
		uc.WithListener(unleash.Detach(ready)),
	}
	if url == "" {
		storage = unleash.NewStorage(&uc.BootstrapStorage{Reader: bytes.NewReader(bootstrap)}, nil)
		options = []uc.ConfigOption{
			uc.WithUrl("http://127.0.0.1:1/"), // the client wants one; nobody is there
			uc.WithDisableMetrics(true),
		}
	}
	options = append(options, uc.WithStorage(storage), uc.WithAppName("rolloutkit-example"), uc.WithBackupPath(backups))
	client, err := uc.NewClient(options...)
	if err != nil {
		cancel()
		_ = os.RemoveAll(backups)
		return nil, err
	}
	c.close = func() {
		cancel()
		_ = client.Close()
		_ = os.RemoveAll(backups)
	}
	c.rollout = unleash.New(client, &unleash.Options{Storage: storage})
	if url != "" {
		ready.wait(ctx)
	}
	return c, nil
}

// A readiness is a listener that lets a program wait for the first answer of the
// server, with a bound. The client's own WaitForReady has none.
type readiness struct{ reached chan struct{} }

// OnReady is called once.
func (r *readiness) OnReady() { close(r.reached) }

// OnError shows what keeps it.
func (r *readiness) OnError(err error) { fmt.Fprintln(os.Stderr, "unleash:", err) }

func (r *readiness) wait(ctx context.Context) {
	select {
	case <-r.reached:
	case <-time.After(patience):
	case <-ctx.Done():
	}
}
