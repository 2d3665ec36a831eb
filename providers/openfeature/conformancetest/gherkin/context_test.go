package gherkin

import (
	"context"
	"fmt"
	"slices"

	"github.com/cucumber/godog"
	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// The steps of contextMerging.feature: what an experiment's subject is made of is
// the merged context.
func (w *world) contextSteps(sc *godog.ScenarioContext) {
	sc.Given(`^a stable provider with retrievable context is registered$`, w.retrievable)
	sc.Given(`^A context entry with key "([^"]*)" and value "([^"]*)" is added to the "([^"]*)" level$`, w.entry)
	sc.Given(`^A table with levels of increasing precedence$`, func(table *godog.Table) {
		for _, row := range table.Rows {
			w.levels = append(w.levels, row.Cells[0].Value)
		}
	})
	sc.Given(`^Context entries for each level from API level down to the "([^"]*)" level, with key "([^"]*)" and value "([^"]*)"$`,
		func(last, key, _ string) error {
			end := slices.Index(w.levels, last)
			if end < 0 {
				return fmt.Errorf("the levels are %q", w.levels)
			}
			for _, level := range w.levels[:end+1] {
				if err := w.entry(key, level, level); err != nil {
					return err
				}
			}
			return nil
		})
	sc.When(`^Some flag was evaluated$`, func() error {
		ctx := of.WithTransactionContext(context.Background(), of.NewTargetlessEvaluationContext(w.transaction))
		w.client.AddHooks(adding{values: w.before})
		w.key, w.fallback = "some-flag", false
		w.evaluate(ctx)
		return w.err
	})
	sc.Then(`^The merged context contains an entry with key "([^"]*)" and value "([^"]*)"$`, func(key, want string) error {
		return equal(key, want, w.seen[key])
	})
}

func (w *world) retrievable() error {
	client, err := core.New(core.Config{KeySecret: make([]byte, 32)})
	if err != nil {
		return err
	}
	e, err := core.Define(client, core.Definition[int, bool]{Name: "some-flag", Unit: func(int) core.Unit { return core.NewUnit() }})
	if err != nil {
		return err
	}
	core.Bind(e, func(attributes map[string]any) (int, error) {
		w.seen = attributes
		return 0, nil
	})
	w.client = w.api.NewClient()
	return w.api.SetProviderAndWait(context.Background(), openfeature.NewProvider(client))
}

func (w *world) entry(key, value, level string) error {
	with := func(c of.EvaluationContext) of.EvaluationContext {
		attributes := c.Attributes()
		attributes[key] = value
		return of.NewTargetlessEvaluationContext(attributes)
	}
	switch level {
	case "API":
		w.api.SetEvaluationContext(with(of.EvaluationContext{})) // no scenario adds two
	case "Transaction":
		w.transaction[key] = value
	case "Client":
		w.client.SetEvaluationContext(with(w.client.EvaluationContext()))
	case "Invocation":
		w.context[key] = value
	case "Before Hooks":
		w.before[key] = value
	default:
		return fmt.Errorf("no level is called %q", level)
	}
	return nil
}

// An adding is a hook that adds to the context.
type adding struct {
	of.UnimplementedHook
	values map[string]any
}

func (a adding) Before(context.Context, of.HookContext, of.HookHints) (*of.EvaluationContext, error) {
	c := of.NewTargetlessEvaluationContext(a.values)
	return &c, nil
}
