package gherkin

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cucumber/godog"
)

// The steps of evaluation.feature, which the specification keeps for older SDKs.
func (w *world) olderSteps(sc *godog.ScenarioContext) {
	const kind = `(boolean|string|integer|float)`
	const value = `"?([^"]*?)"?`
	sc.When(`^an? `+kind+` flag with key "([^"]*)" is evaluated with (?:details and )?default value `+value+`$`, w.evaluated)
	sc.When(`^an object flag with key "([^"]*)" is evaluated with (?:details and )?a null default value$`, func(key string) {
		w.kind, w.key, w.fallback = "object", key, nil
		w.evaluate(context.Background())
	})
	sc.Then(`^the resolved `+kind+` value should be `+value+`$`, w.value)
	sc.Then(`^the resolved `+kind+` details value should be `+value+`, the variant should be "([^"]*)", and the reason should be "([^"]*)"$`,
		func(kind, value, variant, reason string) error {
			if err := w.value(kind, value); err != nil {
				return err
			}
			return w.variantAndReason(variant, reason)
		})
	sc.Then(`^the variant should be "([^"]*)", and the reason should be "([^"]*)"$`, w.variantAndReason)
	sc.Then(`^the resolved object (?:details )?value should be contain fields "([^"]*)", "([^"]*)", and "([^"]*)", with values "([^"]*)", "([^"]*)" and (\d+), respectively$`, w.fields)

	sc.When(`^context contains keys "([^"]*)", "([^"]*)", "([^"]*)", "([^"]*)" with values "([^"]*)", "([^"]*)", (\d+), "([^"]*)"$`, w.contains)
	sc.When(`^a flag with key "([^"]*)" is evaluated with default value "([^"]*)"$`, func(key, fallback string) error {
		return w.evaluated("string", key, fallback)
	})
	sc.Then(`^the resolved string response should be "([^"]*)"$`, func(want string) error { return w.value("string", want) })
	sc.Then(`^the resolved flag value is "([^"]*)" when the context is empty$`, func(want string) error {
		clear(w.context)
		w.evaluate(context.Background())
		return w.value("string", want)
	})

	sc.When(`^a non-existent string flag with key "([^"]*)" is evaluated with details and a fallback value "([^"]*)"$`, func(key, fallback string) error {
		return w.evaluated("string", key, fallback)
	})
	sc.When(`^a string flag with key "([^"]*)" is evaluated as an integer, with details and a fallback value (\d+)$`, func(key, fallback string) error {
		return w.evaluated("integer", key, fallback)
	})
	sc.Then(`^the default (?:string|integer) value should be returned$`, func() error { return equal("value", w.fallback, w.details.Value) })
	sc.Then(`^the reason should indicate an error and the error code should indicate a (?:missing flag|type mismatch) with "([^"]*)"$`, func(code string) error {
		if err := equal("reason", "ERROR", w.details.Reason); err != nil {
			return err
		}
		return equal("error code", code, w.details.ErrorCode)
	})
}

func (w *world) evaluated(kind, key, fallback string) error {
	if err := w.flag(kind, key, fallback); err != nil {
		return err
	}
	w.evaluate(context.Background())
	return nil
}

func (w *world) value(kind, text string) error {
	want, err := parse(kind, text)
	if err != nil {
		return err
	}
	return equal("value", want, w.details.Value)
}

func (w *world) variantAndReason(variant, reason string) error {
	if err := equal("variant", variant, w.details.Variant); err != nil {
		return err
	}
	return equal("reason", reason, w.details.Reason)
}

func (w *world) fields(a, b, c, valueA, valueB, valueC string) error {
	n, err := strconv.Atoi(valueC)
	if err != nil {
		return err
	}
	return equal("value", map[string]any{a: valueA == "true", b: valueB, c: n}, w.details.Value)
}

func (w *world) contains(a, b, c, d, valueA, valueB, valueC, valueD string) error {
	n, err := strconv.ParseInt(valueC, 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	w.context = map[string]any{a: valueA, b: valueB, c: n, d: strings.EqualFold(valueD, "true")}
	return nil
}
