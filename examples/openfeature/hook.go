package main

import (
	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// watch tracks the flag search_ranking, wherever the program evaluates it.
func watch(api *of.EvaluationAPI, client *core.Client) {
	api.AddHooks(openfeature.NewHook(client, openfeature.OnlyFlags("search_ranking")))
}
