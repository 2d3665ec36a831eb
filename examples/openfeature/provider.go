package main

import (
	"context"
	"errors"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// expose makes the experiment a flag in a domain of its own.
func expose(ctx context.Context, api *of.EvaluationAPI, client *core.Client, e *core.Experiment[customer, string], domain string) error {
	// region expose
	x := core.Expose(e, func(attrs map[string]any) (customer, error) {
		id, ok := attrs[of.TargetingKey].(string)
		if !ok {
			return customer{}, errors.New("there is no targeting key")
		}
		staff, _ := attrs["staff"].(bool)
		return customer{id: id, staff: staff}, nil
	})
	return api.SetProviderAndWait(ctx, openfeature.NewProvider(client, x), of.WithDomain(domain))
	// endregion
}
