package conformancetest

import (
	"context"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
)

// newAPI returns an API that knows nothing of the global one.
func newAPI(t testing.TB) *of.EvaluationAPI {
	api := isolated.NewAPI()
	t.Cleanup(func() { _ = api.Shutdown(context.Background()) })
	return api
}

// user is the evaluation context of one user.
func user(id string) of.EvaluationContext { return of.NewEvaluationContext(id, nil) }
