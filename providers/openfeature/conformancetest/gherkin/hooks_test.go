package gherkin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cucumber/godog"
	of "github.com/open-feature/go-sdk/openfeature"
)

// A hook writes down which of its stages ran, and with what.
type hook struct {
	name    string
	world   *world
	stages  []string
	details map[string]of.InterfaceEvaluationDetails // of after and finally
}

func (w *world) newHook(name string) *hook {
	h := &hook{name: name, world: w, details: map[string]of.InterfaceEvaluationDetails{}}
	w.hooks = append(w.hooks, h)
	return h
}

func (h *hook) ran(stage string) {
	h.stages = append(h.stages, stage)
	h.world.order = append(h.world.order, h.name+" "+stage)
}

func (h *hook) Before(context.Context, of.HookContext, of.HookHints) (*of.EvaluationContext, error) {
	h.ran("before")
	return nil, nil
}

func (h *hook) After(_ context.Context, _ of.HookContext, d of.InterfaceEvaluationDetails, _ of.HookHints) error {
	h.ran("after")
	h.details["after"] = d
	return nil
}

func (h *hook) Error(context.Context, of.HookContext, error, of.HookHints) { h.ran("error") }

func (h *hook) Finally(_ context.Context, _ of.HookContext, d of.InterfaceEvaluationDetails, _ of.HookHints) {
	h.ran("finally")
	h.details["finally"] = d
}

// The steps of hooks.feature.
func (w *world) hookSteps(sc *godog.ScenarioContext) {
	sc.Given(`^a client with added hook$`, func() { w.client.AddHooks(w.newHook("client")) })
	sc.Then(`^the "(before|error)" hook should have been executed$`, func(stage string) error {
		if !slices.Contains(w.hooks[0].stages, stage) {
			return fmt.Errorf("the stages were %q", w.hooks[0].stages)
		}
		return nil
	})
	sc.Then(`^the "([^"]*)" hooks should be called with evaluation details$`, w.hookDetails)

	sc.Given(`^evaluation options containing specific hooks$`, func() {
		w.options = []of.Option{of.WithHooks(w.newHook("first"), w.newHook("second"))}
	})
	sc.Then(`^the specified hooks should execute during evaluation$`, func() error {
		if len(w.hooks) != 2 || len(w.order) == 0 {
			return errors.New("no hook ran")
		}
		return w.err
	})
	sc.Then(`^the hook order should be maintained$`, func() error {
		return equal("order", []string{"first before", "second before", "second after", "first after", "second finally", "first finally"}, w.order)
	})
}

func (w *world) hookDetails(stages string, table *godog.Table) error {
	for stage := range strings.SplitSeq(stages, ", ") {
		d, ok := w.hooks[0].details[stage]
		if !ok {
			return fmt.Errorf("the stages were %q", w.hooks[0].stages)
		}
		got := map[string]any{"flag_key": d.FlagKey, "value": d.Value, "variant": d.Variant, "reason": d.Reason, "error_code": d.ErrorCode}
		for _, row := range table.Rows[1:] {
			kind, key, text := row.Cells[0].Value, row.Cells[1].Value, row.Cells[2].Value
			if text == "null" {
				text = "" // which is what Go has for it
			}
			want, err := parse(kind, text)
			if err != nil {
				return err
			}
			if err := equal(stage+" "+key, want, got[key]); err != nil {
				return err
			}
		}
	}
	return nil
}
