package unleash_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"
	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
	"github.com/rolloutkit/rolloutkit/internal/servers/unleashtest"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// specCases is how many cases of client-specification 6.1.0 are about toggles
// that this client knows: not of the delta API.
const specCases = 275

// A specification is one file of the vendor's.
type specification struct {
	Name  string
	State struct {
		Features []json.RawMessage
		Segments []json.RawMessage
	}
	Tests, VariantTests []struct {
		Description string
		Context     ucontext.Context
		ToggleName  string
	}
}

// All cases of Unleash's own specification of clients. The client itself does
// not pass all of them, so the goal is equality: for each case the rollout
// answers as the bare client does.
func TestClientSpecification(t *testing.T) {
	const name = "unleash client-specification"
	realserver.RequireLong(t, "over the vendor's specification")
	realserver.Require(t, name, nil)
	dir, err := unleashtest.Specification()
	realserver.Require(t, name, err)
	var files []string
	readJSON(t, filepath.Join(dir, "index.json"), &files)
	cases := 0
	for _, file := range files {
		var spec specification
		readJSON(t, filepath.Join(dir, file), &spec)
		if spec.State.Features == nil {
			continue
		}
		t.Run(spec.Name, func(t *testing.T) { cases += spec.run(t) })
	}
	require.Equal(t, specCases, cases)
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into), path)
}

// run returns how many cases were compared.
func (spec *specification) run(t *testing.T) int {
	state, err := json.Marshal(map[string]any{"version": 2, "features": spec.State.Features, "segments": spec.State.Segments})
	require.NoError(t, err)
	f := newFake(t, "")
	f.body = string(state)
	// The context of a case is the app's own, and draws are wanted: all as the
	// case has it.
	var now ucontext.Context
	s := newSystem(t, f.URL, unleash.Options{AllowRandom: true, Context: func(core.Request, ucontext.Context) ucontext.Context { return now }},
		uc.WithAppName("spec"))
	bare, _ := newClient(t, f.URL, uc.WithAppName("spec"))
	s.client.WaitForReady()
	bare.WaitForReady()

	cases := append(spec.Tests, spec.VariantTests...)
	for i, c := range cases {
		t.Run(fmt.Sprintf("%d %s", i, c.Description), func(t *testing.T) {
			now = c.Context
			toggle, asked := s.storage.Known(c.ToggleName), uc.WithVariantContext(c.Context)
			got, err := ask(t, s, c.ToggleName, "k", variantsOf(toggle)...)
			if toggle == nil {
				require.ErrorIs(t, err, core.ErrFlagNotFound)
				require.False(t, bare.IsEnabled(c.ToggleName, uc.WithContext(c.Context)))
				require.False(t, bare.GetVariant(c.ToggleName, asked).FeatureEnabled)
				return
			}
			require.NoError(t, err)
			if got.Choose != nil {
				want, drawn := map[string]bool{}, map[string]bool{}
				for range 300 { // of at most four variants
					want[bareName(bare.GetVariant(c.ToggleName, asked))] = true
					name, err := got.Choose(ctx)
					require.NoError(t, err)
					drawn[name] = true
				}
				require.Equal(t, want, drawn)
				return
			}
			variant := bare.GetVariant(c.ToggleName, asked)
			require.Equal(t, bareName(variant), got.Variant)
			enabled := bare.IsEnabled(c.ToggleName, uc.WithContext(c.Context))
			require.Equal(t, enabled, got.Variant != "")
			if enabled {
				require.NotEqual(t, core.Off, got.State)
			} else {
				require.NotEqual(t, core.On, got.State)
			}
			if variant.Enabled {
				payload, err := s.Payload(c.ToggleName, got.Variant)
				require.NoError(t, err)
				require.Equal(t, variant.Payload, payload)
			}
		})
	}
	return len(cases)
}

// bareName returns what the client's answer is as a decision: "" for not
// selected.
func bareName(v *api.Variant) string {
	switch {
	case !v.FeatureEnabled:
		return ""
	case !v.Enabled:
		return core.AnyVariant
	}
	return v.Name
}

// variantsOf returns the variants of an experiment that has all those of the
// toggle.
func variantsOf(f *api.Feature) []string {
	if f == nil {
		return nil
	}
	names, all := []string{core.Control}, f.Variants
	for _, s := range f.Strategies {
		all = append(all, s.Variants...)
	}
	for _, v := range all {
		names = append(names, v.Name)
	}
	return names
}
