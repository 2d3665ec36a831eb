package main

import (
	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"

	"github.com/rolloutkit/rolloutkit/core"
)

// The domains of this program: in one a flag system answers, in the other the
// experiments do.
const (
	flagDomain       = "flags"
	experimentDomain = "experiments"
)

// flags stands in for a flag system. Both flags split users in half.
func flags() of.FeatureProvider {
	return memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{
		"shop_button_color": half("shop_button_color", "control", "red"),
		"search_ranking":    half("search_ranking", "control", "semantic"),
	})
}

// half is a flag that splits by the targeting key, as a flag system does.
func half(name, low, high string) memprovider.InMemoryFlag {
	evaluate := func(flag memprovider.InMemoryFlag, c of.FlattenedContext) (any, of.ProviderResolutionDetail) {
		key, _ := c[of.TargetingKey].(string)
		variant := low
		if core.Points("example", name, key)[0].Scale(2) == 1 {
			variant = high
		}
		return flag.Variants[variant], of.ProviderResolutionDetail{Variant: variant, Reason: of.SplitReason}
	}
	return memprovider.InMemoryFlag{
		State:            memprovider.Enabled,
		Variants:         map[string]any{low: low, high: high},
		ContextEvaluator: &evaluate,
	}
}
