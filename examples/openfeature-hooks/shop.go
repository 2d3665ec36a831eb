package main

import (
	"fmt"
	"net/http"

	of "github.com/open-feature/go-sdk/openfeature"
)

// A shop is the service. It asks OpenFeature for its flags and knows nothing of
// experiments.
type shop struct{ flags *of.Client }

// ServeHTTP greets the user whom the query names.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := r.URL.Query().Get("user")
	who := of.NewEvaluationContext(user, map[string]any{"path": r.URL.Path})
	color := s.flags.String(r.Context(), "button_color", "grey", who)
	sale := s.flags.Boolean(r.Context(), "summer_sale", false, who)
	fmt.Fprintf(w, "a %s button, sale: %v", color, sale)
}
