package gherkin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/rolloutkit/rolloutkit/core"
)

// A flag is one of the specification's test flags.
type flag struct {
	Disabled         bool
	Variants         map[string]any
	DefaultVariant   *string
	ContextEvaluator string
}

// readFlags reads the specification's flags.
func readFlags(path string) (map[string]flag, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	flags := map[string]flag{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&flags); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, f := range flags {
		for name, value := range f.Variants {
			f.Variants[name] = exact(value)
		}
	}
	return flags, nil
}

// exact tells whole numbers from others by how they are written.
func exact(value any) any {
	switch value := value.(type) {
	case json.Number:
		if n, err := value.Int64(); err == nil && !strings.Contains(value.String(), ".") {
			return n
		}
		n, _ := value.Float64()
		return n
	case map[string]any:
		for name, field := range value {
			value[name] = exact(field)
		}
	}
	return value
}

// The expressions of the specification's flags are in a language of their own.
// There are few, so each is written out here: which variant it gives, "" for
// none.
var expressions = map[string]func(attributes map[string]any) string{
	"email == 'ballmer@macrosoft.com' ? 'zero' : ''": func(a map[string]any) string {
		return when(a["email"] == "ballmer@macrosoft.com", "zero")
	},
	"!customer && email == 'ballmer@macrosoft.com' && age > 10 ? 'internal' : ''": func(a map[string]any) string {
		age, _ := a["age"].(int64)
		return when(a["customer"] == false && a["email"] == "ballmer@macrosoft.com" && age > 10, "internal")
	},
}

func when(yes bool, variant string) string {
	if yes {
		return variant
	}
	return ""
}

// unitOf takes the whole context for the unit, since the scenarios name no
// targeting key.
func unitOf(attributes map[string]any) core.Unit {
	var attrs []core.Attr
	for name, value := range attributes {
		switch value := value.(type) {
		case string:
			attrs = append(attrs, core.String(name, value))
		case int64:
			attrs = append(attrs, core.Int(name, value))
		case bool:
			attrs = append(attrs, core.Bool(name, value))
		}
	}
	return core.NewUnit(attrs...)
}

// bind makes an experiment of a flag. The flag's variants are the experiment's,
// beside a control without a payload:
//
//	disabled              off: DISABLED
//	targeted              a segment for each variant that the expression can give: TARGETING_MATCH;
//	                      everybody else is excluded and gets control, which has the default variant's payload: DEFAULT
//	with a default        on, with the default variant: STATIC
//	without a default     everybody is outside: DEFAULT
func bind(client *core.Client, key string, f flag) error {
	def := core.Definition[map[string]any, any]{
		Name: key,
		Unit: unitOf,
	}
	decision := core.Decision{State: core.Conditional, Outside: true}
	switch {
	case f.Disabled:
		decision = core.Decision{}
	case f.DefaultVariant != nil:
		decision = core.Decision{State: core.On, Variant: *f.DefaultVariant}
	}
	def.Rollout = core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) { return decision, nil })
	for _, name := range slices.Sorted(maps.Keys(f.Variants)) {
		def.Variants = append(def.Variants, core.Variant[map[string]any, any]{Name: name, Value: f.Variants[name]})
	}
	if f.ContextEvaluator != "" {
		evaluate := expressions[f.ContextEvaluator]
		if evaluate == nil {
			return fmt.Errorf("flag %s has an expression that is not written out here: %s", key, f.ContextEvaluator)
		}
		def.Control.Value = f.Variants[*f.DefaultVariant]
		def.Exclusions = []core.Rule[map[string]any]{{Name: "not targeted", If: func(_ context.Context, a map[string]any) bool { return evaluate(a) == "" }}}
		for name := range f.Variants {
			def.Segments = append(def.Segments, core.Segment[map[string]any]{Variant: name,
				If: func(_ context.Context, a map[string]any) bool { return evaluate(a) == name }})
		}
	}
	e, err := core.Define(client, def)
	if err != nil {
		return err
	}
	core.Bind(e, func(attributes map[string]any) (map[string]any, error) { return attributes, nil })
	return nil
}
