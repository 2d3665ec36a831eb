package gherkin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/cucumber/godog"
	of "github.com/open-feature/go-sdk/openfeature"
)

// The steps of evaluation_v2.feature, hooks.feature and metadata.feature that
// evaluate a flag.
func (w *world) evaluationSteps(sc *godog.ScenarioContext) {
	sc.Given(`^an? ([Bb]oolean|[Ss]tring|[Ii]nteger|[Ff]loat|[Oo]bject)-flag with key "([^"]*)" and a fallback value "(.*)"$`, w.flag)
	sc.Given(`^a context containing a key "([^"]*)", with type "([^"]*)" and with value "([^"]*)"$`, w.attribute)
	sc.Given(`^a context containing a key "([^"]*)" with null value$`, func(key string) { w.context[key] = nil })
	sc.Given(`^an evaluation context with modifiable data$`, func() { w.context["email"] = "ann@example.com" })
	sc.When(`^the flag was evaluated with details$`, func() { w.evaluate(context.Background()) })
	sc.When(`^the flag was evaluated with details using the evaluation options$`, func() { w.evaluate(context.Background()) })
	sc.When(`^the flag was evaluated with details asynchronously$`, w.asynchronously)
	sc.Then(`^the evaluation should complete without blocking$`, func() error { return w.err })
}

func (w *world) flag(kind, key, fallback string) (err error) {
	w.kind, w.key = kind, key
	w.fallback, err = parse(kind, fallback)
	return err
}

func (w *world) attribute(key, kind, text string) error {
	value, err := parse(kind, text)
	w.context[key] = value
	return err
}

// evaluate evaluates the flag by the method for its type.
func (w *world) evaluate(ctx context.Context) {
	unit := of.NewTargetlessEvaluationContext(w.context)
	switch fallback := w.fallback.(type) {
	case bool:
		d, err := w.client.BooleanValueDetails(ctx, w.key, fallback, unit, w.options...)
		w.details, w.err = of.InterfaceEvaluationDetails{Value: d.Value, EvaluationDetails: d.EvaluationDetails}, err
	case string:
		d, err := w.client.StringValueDetails(ctx, w.key, fallback, unit, w.options...)
		w.details, w.err = of.InterfaceEvaluationDetails{Value: d.Value, EvaluationDetails: d.EvaluationDetails}, err
	case int64:
		d, err := w.client.IntValueDetails(ctx, w.key, fallback, unit, w.options...)
		w.details, w.err = of.InterfaceEvaluationDetails{Value: d.Value, EvaluationDetails: d.EvaluationDetails}, err
	case float64:
		d, err := w.client.FloatValueDetails(ctx, w.key, fallback, unit, w.options...)
		w.details, w.err = of.InterfaceEvaluationDetails{Value: d.Value, EvaluationDetails: d.EvaluationDetails}, err
	default:
		w.details, w.err = w.client.ObjectValueDetails(ctx, w.key, fallback, unit, w.options...)
	}
}

// asynchronously is, in Go, on another goroutine.
func (w *world) asynchronously() error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.evaluate(context.Background())
	}()
	select {
	case <-done:
		return nil
	case <-time.After(10 * time.Second):
		return errors.New("the evaluation blocks")
	}
}

// The steps that look at what an evaluation said.
func (w *world) detailSteps(sc *godog.ScenarioContext) {
	sc.Then(`^the resolved details value should be "(.*)"$`, func(text string) error {
		want, err := parse(w.kind, text)
		if err != nil {
			return err
		}
		return equal("value", want, w.details.Value)
	})
	sc.Then(`^the reason should be "([^"]*)"$`, func(want string) error { return equal("reason", want, w.details.Reason) })
	sc.Then(`^the error-code should be "([^"]*)"$`, func(want string) error { return equal("error code", want, w.details.ErrorCode) })
	sc.Then(`^the flag key should be "([^"]*)"$`, func(want string) error { return equal("flag key", want, w.details.FlagKey) })
	sc.Then(`^the variant should be "([^"]*)"$`, func(want string) error { return equal("variant", want, w.details.Variant) })
	sc.Then(`^the original evaluation context should remain unmodified$`, func() error {
		return equal("context", map[string]any{"email": "ann@example.com"}, w.context)
	})
	sc.Then(`^the evaluation details should be immutable$`, w.immutable)
	sc.Then(`^the resolved metadata should contain$`, w.metadata)
	sc.Then(`^the resolved metadata is empty$`, func() error { return equal("metadata", map[string]any{}, w.details.FlagMetadata) })
}

// immutable changes what one evaluation returned and evaluates again.
func (w *world) immutable() error {
	before := maps.Clone(w.details.FlagMetadata)
	clear(w.details.FlagMetadata)
	w.evaluate(context.Background())
	delete(before, "source") // the second time it is stored
	for key, want := range before {
		if err := equal(key, want, w.details.FlagMetadata[key]); err != nil {
			return err
		}
	}
	return w.err
}

func (w *world) metadata(table *godog.Table) error {
	for _, row := range table.Rows[1:] {
		key, kind, text := row.Cells[0].Value, row.Cells[1].Value, row.Cells[2].Value
		want, err := parse(kind, text)
		if err != nil {
			return err
		}
		if err := equal(fmt.Sprintf("metadata %s", key), want, w.details.FlagMetadata[key]); err != nil {
			return err
		}
	}
	return nil
}
