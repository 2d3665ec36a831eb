package main

import (
	"hash/fnv"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
)

// flags stands in for the flag system that the service has: a color that is split
// in three, and a switch that is on for everybody.
func flags() of.FeatureProvider {
	return memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{
		"button_color": {
			State:            memprovider.Enabled,
			Variants:         map[string]any{"control": "grey", "red": "red", "blue": "blue"},
			ContextEvaluator: thirds("control", "red", "blue"),
		},
		"summer_sale": {
			State:          memprovider.Enabled,
			Variants:       map[string]any{"on": true, "off": false},
			DefaultVariant: "on",
		},
	})
}

// thirds splits users evenly by their targeting key. Who has none gets the first
// variant, by default.
func thirds(variants ...string) memprovider.ContextEvaluator {
	evaluate := func(flag memprovider.InMemoryFlag, c of.FlattenedContext) (any, of.ProviderResolutionDetail) {
		key, _ := c[of.TargetingKey].(string)
		if key == "" {
			return flag.Variants[variants[0]], of.ProviderResolutionDetail{Variant: variants[0], Reason: of.DefaultReason}
		}
		hash := fnv.New32a()
		hash.Write([]byte("button_color/" + key))
		variant := variants[hash.Sum32()%uint32(len(variants))]
		return flag.Variants[variant], of.ProviderResolutionDetail{Variant: variant, Reason: of.SplitReason}
	}
	return &evaluate
}
