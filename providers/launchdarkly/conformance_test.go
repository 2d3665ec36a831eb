package launchdarkly

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/launchdarkly/go-sdk-common/v3/ldlog"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/ldfiledata"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/ldtest"
)

func TestMain(m *testing.M) { os.Exit(ldtest.Main(m)) }

const noStableRamp = "a rollout is cut in the order of the variations, so growing one moves the cuts of those after it"

// programmed returns the LaunchDarkly flag that the suite asks for.
func programmed(f conformance.Flag, version int) ldmodel.FeatureFlag {
	names := f.Names()
	b := ldbuilders.NewFlagBuilder(f.Experiment).Version(version).On(!f.Disabled()).OffVariation(0).Salt(f.Experiment)
	var values []ldvalue.Value
	var percent []int
	for i, name := range names {
		values = append(values, ldvalue.String(name))
		percent = append(percent, f.Weights[name])
		for _, key := range slices.Sorted(maps.Keys(f.Targets)) {
			if f.Targets[key] == name {
				b.AddContextTarget(DefaultKind, i, key)
			}
		}
	}
	b.Variations(values...)
	if f.Weights == nil {
		b.FallthroughVariation(0)
	} else {
		b.Fallthrough(share(percent...))
	}
	return b.Build()
}

func TestConformance(t *testing.T) {
	over := func(name string, lacks map[core.Capability]string, aided bool) {
		t.Run(name, func(t *testing.T) {
			report := conformance.Run(t, conformance.Harness{
				Name:        name,
				Unsupported: lacks,
				New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
					source, version := ldtestdata.DataSource(), 0
					set := func(f conformance.Flag) {
						if version++; f.Missing {
							return
						}
						flag := programmed(f, version)
						if !aided {
							flag.On = f.State != core.Off // that it selects nobody is not to be seen
						}
						source.UsePreconfiguredFlag(flag)
					}
					set(f)
					if !aided {
						return New(newClient(t, ld.Config{DataSource: source}), nil), set
					}
					defs := DataStore(nil)
					return New(newClient(t, ld.Config{DataSource: source, DataStore: defs}), &Options{Definitions: defs}), set
				},
				NotReady: func(t *testing.T) core.Rollout { return New(newSilentClient(t), nil) },
			})
			require.True(t, report.Conformant())
		})
	}
	over("launchdarkly", map[core.Capability]string{core.StableRamp: noStableRamp}, true)
	over("launchdarkly-unaided", map[core.Capability]string{
		core.StableRamp: noStableRamp,
		core.ReportsOn:  "without a DataStore of ours, an answer is all there is to see, and it is FALLTHROUGH for a flag that is fully on and for one that splits",
	}, false)
}

// TestConformanceOfFiles reads flags from a file, as a team without an account
// or in its tests does.
func TestConformanceOfFiles(t *testing.T) {
	report := conformance.Run(t, conformance.Harness{
		Name:        "launchdarkly-file",
		Unsupported: map[core.Capability]string{core.StableRamp: noStableRamp},
		New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
			path, version := filepath.Join(t.TempDir(), "flags.json"), 0
			write := func(f conformance.Flag) {
				version++
				require.NoError(t, os.WriteFile(path, payload(t, f, version), 0o666))
			}
			write(f)
			var reload func()
			source := ldfiledata.DataSource().FilePaths(path).
				Reloader(func(_ []string, _ ldlog.Loggers, again func(), _ <-chan struct{}) error {
					reload = again
					return nil
				})
			defs := DataStore(nil)
			client := newClient(t, ld.Config{DataSource: source, DataStore: defs})
			return New(client, &Options{Definitions: defs}), func(f conformance.Flag) {
				write(f)
				reload()
			}
		},
		NotReady: func(t *testing.T) core.Rollout { return New(newSilentClient(t), nil) },
	})
	require.True(t, report.Conformant())
}

// TestFlagValues: the short form of the file holds flags that are off, so
// experiments need the long one.
func TestFlagValues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flags.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"flagValues":{"pill":"red"}}`), 0o666))
	client := newClient(t, ld.Config{DataSource: ldfiledata.DataSource().FilePaths(path)})
	d, err := New(client, nil).Resolve(t.Context(), request("pill", "k"))
	require.NoError(t, err)
	require.Equal(t, core.Decision{State: core.Off, Reason: "OFF"}, d)
}

// payload returns {"flags":{...},"segments":{}} with f, if it isn't missing.
func payload(t testing.TB, f conformance.Flag, version int) []byte {
	t.Helper()
	flags := map[string]ldmodel.FeatureFlag{}
	if !f.Missing {
		flags[f.Experiment] = programmed(f, version)
	}
	return flagData(t, flags)
}

func flagData(t testing.TB, flags map[string]ldmodel.FeatureFlag) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"flags": flags, "segments": map[string]any{}})
	require.NoError(t, err)
	return text
}

// TestConformanceOfRelay holds the whole way from LaunchDarkly's own server
// through its stream against the suite.
func TestConformanceOfRelay(t *testing.T) {
	relay := newRelayed(t)
	report := conformance.Run(t, conformance.Harness{
		Name:        "launchdarkly-relay",
		Unsupported: map[core.Capability]string{core.StableRamp: noStableRamp},
		New: func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
			set := func(f conformance.Flag) {
				relay.set(t, f.Experiment, func(v int) ldmodel.FeatureFlag { return programmed(f, v) }, f.Missing)
			}
			set(f)
			return New(relay.client, &Options{Definitions: relay.defs}), set
		},
		NotReady: func(t *testing.T) core.Rollout {
			client, err := ld.MakeCustomClient(ldtest.SDKKey, ld.Config{
				ServiceEndpoints: ldcomponents.RelayProxyEndpoints("http://127.0.0.1:9"),
				Events:           ldcomponents.NoEvents(), Logging: ldcomponents.NoLogging(),
			}, 0)
			require.NoError(t, err)
			t.Cleanup(func() { _ = client.Close() })
			return New(client, nil)
		},
	})
	require.True(t, report.Conformant())
}

// A relayed is a client of a real ld-relay.
type relayed struct {
	*ldtest.Relay
	client  *ld.LDClient
	defs    *Definitions
	flags   map[string]ldmodel.FeatureFlag
	version int
}

func newRelayed(t *testing.T) *relayed {
	r := &relayed{flags: map[string]ldmodel.FeatureFlag{}, defs: DataStore(nil)}
	r.Relay = ldtest.Start(t, flagData(t, r.flags))
	client, err := ld.MakeCustomClient(ldtest.SDKKey, ld.Config{
		ServiceEndpoints: ldcomponents.RelayProxyEndpoints(r.URL), DataStore: r.defs,
		DataSource: ldcomponents.StreamingDataSource().InitialReconnectDelay(100 * time.Millisecond),
		Events:     ldcomponents.NoEvents(), Logging: ldcomponents.NoLogging(),
	}, watchdog)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	r.client = client
	return r
}

// set has the relay serve another version of a flag, or none, and waits until
// the client knows.
func (r *relayed) set(t *testing.T, key string, flag func(version int) ldmodel.FeatureFlag, missing bool) {
	t.Helper()
	r.version++
	delete(r.flags, key)
	if !missing {
		r.flags[key] = flag(r.version)
	}
	r.Serve(flagData(t, r.flags))
	require.Eventually(t, func() bool {
		f := r.defs.flag(key)
		return missing && f == nil || f != nil && f.Version == r.version
	}, watchdog, 5*time.Millisecond)
}
