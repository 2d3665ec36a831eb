package conformancetest

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	flagd "github.com/open-feature/go-sdk-contrib/providers/flagd/pkg"
	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

func TestFlagd(t *testing.T) {
	report := conformance.Run(t, conformance.Harness{
		Name: "openfeature-flagd",
		New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
			s := newFlagd(t, f)
			return openfeature.New(s.client, nil), s.set
		},
		NotReady: func(t *testing.T) core.Rollout {
			api := newAPI(t)
			require.Error(t, api.SetProviderAndWait(t.Context(), flagdProvider(t, filepath.Join(t.TempDir(), "none.json"))))
			return openfeature.New(api.NewClient(), nil)
		},
		Unsupported: map[core.Capability]string{
			core.StableRamp: "flagd cuts in the order in which a flag lists its shares: only with control between two others a ramp moves controls alone",
		},
	})
	require.True(t, report.Conformant())
}

// A flagdSystem is flagd's in-process provider over a file of flags.
type flagdSystem struct {
	t      *testing.T
	path   string
	client *of.Client
}

// revision marks the flags that are written, so that set knows when they are in
// use.
var revision atomic.Int64

func newFlagd(t *testing.T, f conformance.Flag) *flagdSystem {
	s := &flagdSystem{t: t, path: filepath.Join(t.TempDir(), "flags.json")}
	s.write(f)
	api := newAPI(t)
	require.NoError(t, api.SetProviderAndWait(t.Context(), flagdProvider(t, s.path), of.WithDomain("flagd")))
	s.client = api.NewClient(of.WithDomain("flagd"))
	return s
}

// flagdProvider returns a provider over a file that need not exist. It keeps the
// provider quiet, which logs each step to os.Stderr and has no option against it.
func flagdProvider(t testing.TB, path string) *flagd.Provider {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { null.Close() })
	stderr := os.Stderr
	os.Stderr = null
	defer func() { os.Stderr = stderr }()
	p, err := flagd.NewProvider(flagd.WithFileResolver(), flagd.WithOfflineFilePath(path))
	require.NoError(t, err)
	return p
}

// set writes another flag and returns when the provider has read it.
func (s *flagdSystem) set(f conformance.Flag) {
	s.t.Helper()
	want := s.write(f)
	require.Eventually(s.t, func() bool {
		details, _ := s.client.BooleanValueDetails(s.t.Context(), "revision", false, user("anybody"))
		got, _ := details.FlagMetadata.GetFloat("revision")
		return int64(got) == want
	}, time.Minute, time.Millisecond)
}

// write moves a new file into place, because flagd reads a file that is being
// written. It returns its revision.
func (s *flagdSystem) write(f conformance.Flag) int64 {
	s.t.Helper()
	n := revision.Add(1)
	flags := map[string]any{
		"revision": map[string]any{"state": "ENABLED", "variants": map[string]any{"on": true}, "defaultVariant": "on", "metadata": map[string]any{"revision": n}},
	}
	if !f.Missing {
		flags[f.Experiment] = flagdFlag(f)
	}
	text, err := json.Marshal(map[string]any{"flags": flags})
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(s.path+".new", text, 0o600))
	require.NoError(s.t, os.Rename(s.path+".new", s.path))
	return n
}

// flagdFlag returns f as flagd has it: a string flag whose variants and values
// are the experiment's, with rules by the targeting key and a fractional split.
func flagdFlag(f conformance.Flag) map[string]any {
	names := f.Names()
	variants := map[string]any{}
	for _, name := range names {
		variants[name] = name
	}
	flag := map[string]any{"state": "ENABLED", "variants": variants}
	if f.Disabled() {
		flag["state"] = "DISABLED"
	}
	split := []any{}
	for _, name := range names {
		switch share := f.Weights[name]; share {
		case 0:
		case 100:
			flag["defaultVariant"] = name
		default:
			flag["defaultVariant"] = core.Control
			split = append(split, []any{name, share})
		}
	}
	var targeting any
	if len(split) > 0 {
		targeting = map[string]any{"fractional": split}
	}
	for key, name := range f.Targets {
		targeting = map[string]any{"if": []any{
			map[string]any{"==": []any{map[string]any{"var": "targetingKey"}, key}}, name, targeting}}
	}
	if targeting != nil {
		flag["targeting"] = targeting
	}
	return flag
}

// newAPI returns an API that knows nothing of the global one.
func newAPI(t testing.TB) *of.EvaluationAPI {
	api := isolated.NewAPI()
	t.Cleanup(func() { _ = api.Shutdown(context.Background()) })
	return api
}

// user is the evaluation context of one user.
func user(id string) of.EvaluationContext { return of.NewEvaluationContext(id, nil) }
