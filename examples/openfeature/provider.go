package main

import (
	"context"
	"errors"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// bind makes the experiment a flag in a domain of its own.
func bind(ctx context.Context, api *of.EvaluationAPI, client *core.Client, e *core.Experiment[customer, string], domain string) error {
	// region bind
	bound := core.Bind(e, func(attrs map[string]any) (customer, error) {
		id, ok := attrs[of.TargetingKey].(string)
		if !ok {
			return customer{}, errors.New("there is no targeting key")
		}
		staff, _ := attrs["staff"].(bool)
		return customer{id: id, staff: staff}, nil
	})
	return api.SetProviderAndWait(ctx, openfeature.NewProvider(client, bound), of.WithDomain(domain))
	// endregion
}
