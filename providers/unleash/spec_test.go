package unleash

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
)

// specCases is how many cases client-specification 6.1.0 has.
const specCases = 279

// A specification is one file of the vendor's.
type specification struct {
	Name  string
	State struct {
		Features []json.RawMessage
		Segments []json.RawMessage
		Events   []struct { // of the delta API; the last word on a toggle holds
			Type        string
			Features    []json.RawMessage
			Segments    []json.RawMessage
			Feature     json.RawMessage
			Segment     json.RawMessage
			FeatureName string
			SegmentID   int
		}
	}
	Tests, VariantTests []struct {
		Description string
		Context     ucontext.Context
		ToggleName  string
	}
}

// TestClientSpecification runs all cases of Unleash's own specification of
// clients. The client itself does not pass all of them, so the goal is
// equality: for each case the rollout answers as the bare client does.
func TestClientSpecification(t *testing.T) {
	const name = "unleash client-specification"
	realserver.Require(t, name, nil)
	dir, err := unleashtest.Specification()
	realserver.Require(t, name, err)
	var files []string
	readJSON(t, filepath.Join(dir, "index.json"), &files)
	cases := 0
	for _, file := range files {
		var spec specification
		readJSON(t, filepath.Join(dir, file), &spec)
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
	features, segments := spec.hydrated(t)
	// The context of a case is the app's own, and draws are wanted: all as the
	// case has it.
	var now ucontext.Context
	opts := &Options{AllowRandom: true, Context: func(core.Request, ucontext.Context) ucontext.Context { return now }}
	r, f := over(t, "[]", opts, uc.WithAppName("spec"))
	f.set(t, features, segments)
	bare := newClient(t, f.URL, uc.WithAppName("spec"))
	bare.WaitForReady()
	eventually(t, func() bool { return len(r.client.ListFeatures()) == len(decoded(t, features)) })

	cases := append(spec.Tests, spec.VariantTests...)
	for i, c := range cases {
		t.Run(fmt.Sprintf("%d %s", i, c.Description), func(t *testing.T) {
			now = c.Context
			got, err := ask(r, c.ToggleName, "k", spec.variants(t, features, c.ToggleName)...)
			asked := uc.WithVariantContext(c.Context)
			if err != nil {
				require.ErrorIs(t, err, core.ErrFlagNotFound)
				require.NotContains(t, byName(decoded(t, features)), c.ToggleName)
				require.False(t, bare.IsEnabled(c.ToggleName, uc.WithContext(c.Context)))
				require.False(t, bare.GetVariant(c.ToggleName, asked).FeatureEnabled)
				return
			}
			if got.Choose != nil {
				want, drawn := map[string]bool{}, map[string]bool{}
				for range 300 { // of at most four variants
					want[bareName(bare.GetVariant(c.ToggleName, asked))] = true
					name, err := got.Choose(t.Context())
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
				payload, err := r.Payload(c.ToggleName, got.Variant)
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

// variants returns the variants of an experiment that has all those of the
// toggle.
func (spec *specification) variants(t *testing.T, features, toggle string) []string {
	names := []string{core.Control}
	f := byName(decoded(t, features))[toggle]
	if f == nil {
		return append(names, core.Candidate)
	}
	lists := [][]api.VariantInternal{f.Variants}
	for _, s := range f.Strategies {
		lists = append(lists, s.Variants)
	}
	for _, list := range lists {
		for _, v := range list {
			names = append(names, v.Name)
		}
	}
	return names
}

func byName(list []api.Feature) map[string]*api.Feature {
	all := map[string]*api.Feature{}
	for i := range list {
		all[list[i].Name] = &list[i]
	}
	return all
}

// hydrated returns the toggles and segments of the file. This client knows
// nothing of the delta API, so its events are applied here.
func (spec *specification) hydrated(t *testing.T) (features, segments string) {
	type named struct {
		Name string
		ID   int
	}
	byKey := func(list []json.RawMessage, key func(named) string, into map[string]json.RawMessage) {
		for _, text := range list {
			var n named
			require.NoError(t, json.Unmarshal(text, &n))
			into[key(n)] = text
		}
	}
	nameOf := func(n named) string { return n.Name }
	idOf := func(n named) string { return fmt.Sprint(n.ID) }
	fs, ss := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	byKey(spec.State.Features, nameOf, fs)
	byKey(spec.State.Segments, idOf, ss)
	for _, e := range spec.State.Events {
		switch e.Type {
		case "hydration":
			clear(fs)
			clear(ss)
			byKey(e.Features, nameOf, fs)
			byKey(e.Segments, idOf, ss)
		case "feature-updated":
			byKey([]json.RawMessage{e.Feature}, nameOf, fs)
		case "feature-removed":
			delete(fs, e.FeatureName)
		case "segment-updated":
			byKey([]json.RawMessage{e.Segment}, idOf, ss)
		case "segment-removed":
			delete(ss, fmt.Sprint(e.SegmentID))
		default:
			t.Fatalf("event %q is unknown", e.Type)
		}
	}
	return list(t, fs), list(t, ss)
}

func list(t *testing.T, items map[string]json.RawMessage) string {
	all := []json.RawMessage{}
	for _, item := range items {
		all = append(all, item)
	}
	text, err := json.Marshal(all)
	require.NoError(t, err)
	return string(text)
}
