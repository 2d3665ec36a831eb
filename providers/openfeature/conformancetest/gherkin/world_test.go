package gherkin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/cucumber/godog"
	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// A world is what the steps of one scenario share.
type world struct {
	flags  map[string]flag
	api    *of.EvaluationAPI
	client *of.Client
	ended  chan struct{}

	key      string // the flag that is evaluated
	kind     string // "boolean" and so on
	fallback any
	context  map[string]any // of the invocation
	options  []of.Option
	details  of.InterfaceEvaluationDetails
	err      error

	hooks  []*hook
	order  []string       // in which hooks ran
	seen   map[string]any // the context that reached the provider
	levels []string       // of contexts, lowest precedence first

	transaction, before map[string]any // the context of the transaction, and of a Before hook
}

func newWorld(flags map[string]flag) *world {
	return &world{flags: flags, api: isolated.NewAPI(), ended: make(chan struct{}),
		context: map[string]any{}, transaction: map[string]any{}, before: map[string]any{}}
}

// end lets go of everything.
func (w *world) end() error {
	close(w.ended)
	return w.api.Shutdown(context.Background())
}

func (w *world) steps(sc *godog.ScenarioContext) {
	sc.Given(`^a (stable|not ready|error|fatal|stale) provider$`, w.provider)
	sc.Then(`^the provider status should be "([^"]*)"$`, w.status)
	w.evaluationSteps(sc)
	w.detailSteps(sc)
	w.hookSteps(sc)
	w.contextSteps(sc)
}

// experiments returns a client with all flags as bound experiments.
func (w *world) experiments() (*core.Client, error) {
	client, err := core.New(core.Config{KeySecret: make([]byte, 32), Store: memstore.New(nil), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	for key, f := range w.flags {
		if err := bind(client, key, f); err != nil {
			return nil, err
		}
	}
	return client, nil
}

// A slow is a provider whose start takes until the scenario ends.
type slow struct {
	*openfeature.Provider
	ended chan struct{}
}

func (s slow) InitWithContext(context.Context, of.EvaluationContext) error {
	<-s.ended
	return nil
}

func (w *world) provider(status string) error {
	client, err := w.experiments()
	if err != nil {
		return err
	}
	ctx := context.Background()
	p := openfeature.NewProvider(client)
	w.client = w.api.NewClient()
	switch status {
	case "stable":
		return w.api.SetProviderAndWait(ctx, p)
	case "not ready":
		return w.api.SetProvider(ctx, &slow{p, w.ended})
	case "error":
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		_ = w.api.SetProviderAndWait(cancelled, p)
		return w.becomes(of.ErrorState)
	case "fatal":
		_ = w.api.SetProviderAndWait(ctx, openfeature.NewProvider(nil))
		return w.becomes(of.FatalState)
	}
	// stale: an experiment meets a flag system that fails.
	e, err := core.Define(client, core.Definition[int, int]{Name: "sick", Unit: func(int) core.Unit { return core.NewUnit() },
		Rollout: core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
			return core.Decision{}, errors.New("500")
		})})
	if err != nil {
		return err
	}
	core.Bind(e, func(map[string]any) (int, error) { return 0, nil })
	if err := w.api.SetProviderAndWait(ctx, p); err != nil {
		return err
	}
	w.client.Int(ctx, "sick", 0, of.EvaluationContext{})
	return w.becomes(of.StaleState)
}

func (w *world) becomes(state of.State) error {
	for range 2000 {
		if w.client.State() == state {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("the provider is %s, not %s", w.client.State(), state)
}

func (w *world) status(want string) error { return equal("status", of.State(want), w.client.State()) }

// equal compares as JSON, where numbers and maps are what they look like.
func equal(what string, want, got any) error {
	a, err := json.Marshal(want)
	if err != nil {
		return err
	}
	b, err := json.Marshal(got)
	if err != nil {
		return err
	}
	if string(a) != string(b) {
		return fmt.Errorf("the %s is %s, not %s", what, b, a)
	}
	return nil
}

// parse reads a value as a feature writes it.
func parse(kind, text string) (any, error) {
	switch strings.ToLower(kind) {
	case "boolean":
		return strconv.ParseBool(text)
	case "string":
		return text, nil
	case "integer":
		return strconv.ParseInt(text, 10, 64)
	case "float":
		return strconv.ParseFloat(text, 64)
	case "object":
		var value map[string]any
		return value, json.Unmarshal([]byte(strings.ReplaceAll(text, `\"`, `"`)), &value)
	}
	return nil, fmt.Errorf("no type is called %q", kind)
}
