package openfeature_test

import (
	"slices"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

func TestConformance(t *testing.T) {
	over := func(name string, o *openfeature.Options, lacks map[core.Capability]string, value func(variant string) any) {
		t.Run(name, func(t *testing.T) {
			report := conformance.Run(t, conformance.Harness{
				Name: name,
				New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
					provider := memprovider.NewInMemoryProvider(flagsOf(f, value))
					return openfeature.New(serve(t, provider), o), func(f conformance.Flag) { provider.UpdateFlags(flagsOf(f, value)) }
				},
				NotReady:    func(t *testing.T) core.Rollout { return openfeature.New(newAPI(t).NewClient(), o) },
				Unsupported: lacks,
			})
			require.True(t, report.Conformant())
		})
	}
	over("openfeature-memprovider", nil, nil, func(variant string) any { return variant })
	over("openfeature-memprovider-boolean", &openfeature.Options{Kind: openfeature.BooleanFlags},
		map[core.Capability]string{core.NamesVariants: "the flag's variants are on and off, whatever the experiment calls its own"},
		func(variant string) any { return variant != core.Control })
	over("openfeature-memprovider-object", &openfeature.Options{Kind: openfeature.ObjectFlags}, nil,
		func(variant string) any { return map[string]any{"variant": variant, "color": "#f00"} })
}

// flagsOf returns the flags of a memprovider that holds f. The variants of the
// flag are called otherwise than those of the experiment, so that the values
// have to name these.
func flagsOf(f conformance.Flag, value func(variant string) any) flagSet {
	if f.Missing {
		return nil
	}
	flag := memprovider.InMemoryFlag{Key: f.Experiment, State: memprovider.Enabled, Variants: map[string]any{}}
	for _, name := range f.Names() {
		flag.Variants["v-"+name] = value(name)
	}
	if f.Disabled() {
		flag.State = memprovider.Disabled
	}
	for name, share := range f.Weights {
		if share == 100 {
			flag.DefaultVariant = "v-" + name
		}
	}
	if f.State == core.Conditional {
		split := splitOf(f)
		evaluate := func(flag memprovider.InMemoryFlag, unit of.FlattenedContext) (any, of.ProviderResolutionDetail) {
			key, _ := unit[of.TargetingKey].(string)
			reason, name := of.TargetingMatchReason, f.Targets[key]
			if name == "" {
				reason, name = of.SplitReason, split(key)
			}
			return flag.Variants["v-"+name], of.ProviderResolutionDetail{Variant: "v-" + name, Reason: reason}
		}
		flag.ContextEvaluator = &evaluate
	}
	return flagSet{f.Experiment: flag}
}

// splitOf splits units as the author of a memprovider's flag would have to:
// variants from the two ends, control in the middle, so that a ramp moves
// controls only.
func splitOf(f conformance.Flag) func(key string) string {
	ends := append(slices.DeleteFunc(f.Names(), func(name string) bool { return name == core.Control }), core.Control, core.Control)
	return func(key string) string {
		switch place := int(core.Points("memprovider", f.Experiment, key)[0].Scale(100)); {
		case place < f.Weights[ends[0]] && ends[0] != core.Control:
			return ends[0]
		case place >= 100-f.Weights[ends[1]]:
			return ends[1]
		}
		return core.Control
	}
}
