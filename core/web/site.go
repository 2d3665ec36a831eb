package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Site connects the experiments of one client with HTTP. It is safe for many
// goroutines. Make it with [New].
type Site struct {
	client  *core.Client
	cfg     Config
	signer  signer
	origins http.CrossOriginProtection // of client events
}

// New returns the site of a client. Its errors, joined, say what is wrong with
// the Config.
func New(client *core.Client, cfg Config) (*Site, error) {
	if client == nil {
		return nil, errors.New("web: the client is nil")
	}
	s := &Site{client: client}
	signer, err := newSigner(client, &cfg)
	faults := []error{err, cfg.validate()}
	for _, origin := range cfg.Origins {
		if err := s.origins.AddTrustedOrigin(origin); err != nil {
			faults = append(faults, fmt.Errorf("web: the origin %q is not allowed: one such as https://www.shop.example", origin))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	cfg.Secret, cfg.PreviousSecrets = nil, nil // the signer has its own copies
	s.cfg, s.signer = cfg, signer
	return s, nil
}

// MustNew is [New] for main: it panics on an error.
func MustNew(client *core.Client, cfg Config) *Site {
	s, err := New(client, cfg)
	if err != nil {
		panic(err)
	}
	return s
}

// callSafely calls a function of the Config. If it panics, fallback is the
// result.
func callSafely[T any](s *Site, name string, fallback T, call func() T) (result T) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Logger.Error("experiment: panic", slog.String("in", name), slog.Any("panic", p))
			result = fallback
		}
	}()
	return call()
}

// logUntracked logs why an event from outside was not tracked. The name of an
// experiment that does not exist is anybody's text, and stays out of the log.
func (s *Site) logUntracked(ctx context.Context, event, experiment string, err error) {
	if s.client.Variants(experiment) != nil {
		s.cfg.Logger.DebugContext(ctx, "experiment: an event was not tracked", "event", event, "error", err)
	}
}
