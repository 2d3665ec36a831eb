package launchdarkly_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/launchdarkly/go-sdk-common/v3/ldlog"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldfiledata"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/ldtest"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

func TestMain(m *testing.M) { os.Exit(ldtest.Main(m)) }

// conforms runs the suite over rollouts that see definitions, or don't.
func conforms(t *testing.T, name string, seeing bool, made func(*testing.T, conformance.Flag) (core.Rollout, func(conformance.Flag))) {
	lacks := map[core.Capability]string{
		core.StableRamp: "a rollout is cut in the order of the variations, so growing one moves the cuts of those after it",
	}
	if !seeing {
		lacks[core.ReportsOn] = "without a DataStore of ours, an answer is all there is to see, and it is FALLTHROUGH for a flag that is fully on and for one that splits"
	}
	report := conformance.Run(t, conformance.Harness{Name: name, Unsupported: lacks, New: made, NotReady: notReady})
	require.True(t, report.Conformant())
}

// programmed returns the LaunchDarkly flag that the suite asks for.
func programmed(f conformance.Flag, version int) ldmodel.FeatureFlag {
	b := ldbuilders.NewFlagBuilder(f.Experiment).Version(version).On(!f.Disabled()).OffVariation(0).Salt(f.Experiment)
	var values []ldvalue.Value
	var percent []int
	for i, name := range f.Names() {
		values = append(values, ldvalue.String(name))
		percent = append(percent, f.Weights[name])
		for _, key := range slices.Sorted(maps.Keys(f.Targets)) {
			if f.Targets[key] == name {
				b.AddContextTarget(launchdarkly.DefaultKind, i, key)
			}
		}
	}
	b.Variations(values...).FallthroughVariation(0)
	if f.Weights != nil {
		b.Fallthrough(share(percent...))
	}
	return b.Build()
}

func TestConformance(t *testing.T) {
	for name, seeing := range map[string]bool{"launchdarkly": true, "launchdarkly-unaided": false} {
		t.Run(name, func(t *testing.T) {
			conforms(t, name, seeing, func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
				s, version := newSystem(t, ld.Config{}), 0
				set := func(f conformance.Flag) {
					if version++; f.Missing {
						return
					}
					flag := programmed(f, version)
					if !seeing {
						flag.On = f.State != core.Off // that it selects nobody is not to be seen
					}
					s.put(flag)
				}
				set(f)
				if seeing {
					return s.rollout(launchdarkly.Options{}), set
				}
				return launchdarkly.New(s.LDClient, nil), set
			})
		})
	}
}

// Flags are in a file, as a team without an account or in its tests has them.
func TestConformanceOfFiles(t *testing.T) {
	conforms(t, "launchdarkly-file", true, func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
		path, version := filepath.Join(t.TempDir(), "flags.json"), 0
		write := func(f conformance.Flag) {
			version++
			flags := map[string]ldmodel.FeatureFlag{}
			if !f.Missing {
				flags[f.Experiment] = programmed(f, version)
			}
			require.NoError(t, os.WriteFile(path, flagData(t, flags), 0o666))
		}
		write(f)
		var reload func()
		source := ldfiledata.DataSource().FilePaths(path).
			Reloader(func(_ []string, _ ldlog.Loggers, again func(), _ <-chan struct{}) error {
				reload = again
				return nil
			})
		defs := launchdarkly.DataStore(nil)
		client := newClient(t, ld.Config{DataSource: source, DataStore: defs})
		return launchdarkly.New(client, &launchdarkly.Options{Definitions: defs}), func(f conformance.Flag) {
			write(f)
			reload()
		}
	})
}

// flagData returns {"flags":{...},"segments":{}}.
func flagData(t testing.TB, flags map[string]ldmodel.FeatureFlag) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"flags": flags, "segments": map[string]any{}})
	require.NoError(t, err)
	return text
}

// The short form of the file holds flags that are off, so experiments need the
// long one.
func TestFlagValues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flags.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"flagValues":{"pill":"red"}}`), 0o666))
	client := newClient(t, ld.Config{DataSource: ldfiledata.DataSource().FilePaths(path)})
	require.Equal(t, core.Decision{State: core.Off, Reason: "OFF"}, resolve(t, launchdarkly.New(client, nil), "pill", "k"))
}
