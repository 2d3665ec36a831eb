package conformancetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/open-feature/go-sdk-contrib/providers/ofrep"
	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

func TestOFREP(t *testing.T) {
	relay := startRelay(t, "{}")
	flags := map[string]any{} // of all laws, since they share the relay
	set := func(t *testing.T, f conformance.Flag) {
		flags[f.Experiment] = relayFlag(f)
		if f.Missing {
			delete(flags, f.Experiment)
		}
		text, err := json.Marshal(flags) // which is YAML too
		require.NoError(t, err)
		relay.set(string(text))
	}
	report := conformance.Run(t, conformance.Harness{
		Name:   "openfeature-ofrep",
		Remote: "OFREP is a protocol for remote evaluation: each is one HTTP request",
		New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
			set(t, f)
			return openfeature.New(newOFREP(t, relay.url), nil), func(f conformance.Flag) { set(t, f) }
		},
		Unsupported: map[core.Capability]string{
			core.ReportsNotReady: "the OFREP provider has no start: it is ready at once, and without a server each evaluation fails by itself",
			core.StableRamp:      "GO Feature Flag cuts in the reverse order of the variants' names: only with control between two others a ramp moves controls alone",
		},
	})
	require.True(t, report.Conformant())
}

// newOFREP returns a client whose provider asks a server. The relay refuses
// requests without a Content-Type, which the provider does not send by itself.
func newOFREP(t testing.TB, url string) *of.Client {
	t.Helper()
	api := newAPI(t)
	p := ofrep.NewProvider(url, ofrep.WithHeaderProvider(func() (name, value string) { return "Content-Type", "application/json" }))
	require.NoError(t, api.SetProviderAndWait(t.Context(), p, of.WithDomain("ofrep")))
	return api.NewClient(of.WithDomain("ofrep"))
}

// relayFlag returns f as GO Feature Flag has it, with rules by the targeting key
// and a split by percentage.
func relayFlag(f conformance.Flag) map[string]any {
	variations, split := map[string]string{}, map[string]int{}
	flag := map[string]any{"variations": variations, "disable": f.Disabled()}
	for _, name := range f.Names() {
		variations[name] = name
		switch share := f.Weights[name]; share {
		case 0:
		case 100:
			flag["defaultRule"] = map[string]any{"variation": name}
		default:
			split[name] = share
			flag["defaultRule"] = map[string]any{"percentage": split}
		}
	}
	rules := []any{}
	for key, name := range f.Targets {
		rules = append(rules, map[string]any{"query": fmt.Sprintf("targetingKey eq %q", key), "variation": name})
	}
	if len(rules) > 0 {
		flag["targeting"] = rules
	}
	return flag
}

// Without a server the OFREP provider is ready and fails each time; with one that
// never answers, Options.Timeout is what ends the wait.
func TestOFREPWithoutAnswers(t *testing.T) {
	request := core.Request{Experiment: "pill_color", Key: "k1", Variants: []string{"control", "red"}}
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer silent.Close()
	defer close(release)
	_, err := openfeature.New(newOFREP(t, silent.URL), &openfeature.Options{Timeout: 50 * time.Millisecond}).Resolve(t.Context(), request)
	require.ErrorContains(t, err, "deadline exceeded")

	const nowhere = "http://127.0.0.1:1" // a reserved port: nobody listens there
	_, err = openfeature.New(newOFREP(t, nowhere), nil).Resolve(t.Context(), request)
	require.ErrorContains(t, err, "GENERAL")
	require.NotErrorIs(t, err, core.ErrNotReady)
}
