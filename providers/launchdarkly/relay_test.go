package launchdarkly_test

import (
	"testing"
	"time"

	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/interfaces"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/ldtest"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

// A relayed is a client of a real ld-relay.
type relayed struct {
	*ldtest.Relay
	client  *ld.LDClient
	rollout *launchdarkly.Rollout
	flags   map[string]ldmodel.FeatureFlag
	version int
}

func newRelayed(t *testing.T) *relayed {
	r := &relayed{flags: map[string]ldmodel.FeatureFlag{}}
	r.Relay = ldtest.Start(t, flagData(t, r.flags))
	defs := launchdarkly.DataStore(nil)
	client, err := ld.MakeCustomClient(ldtest.SDKKey, ld.Config{
		ServiceEndpoints: ldcomponents.RelayProxyEndpoints(r.URL), DataStore: defs,
		DataSource: ldcomponents.StreamingDataSource().InitialReconnectDelay(100 * time.Millisecond),
		Events:     ldcomponents.NoEvents(), Logging: ldcomponents.NoLogging(),
	}, watchdog)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	r.client, r.rollout = client, launchdarkly.New(client, &launchdarkly.Options{Definitions: defs})
	return r
}

// set has the relay serve another version of a flag, or none, and waits until
// the client knows.
func (r *relayed) set(t *testing.T, f ldmodel.FeatureFlag, missing bool) {
	t.Helper()
	r.version++
	f.Version = r.version
	if r.flags[f.Key] = f; missing {
		delete(r.flags, f.Key)
	}
	r.Serve(flagData(t, r.flags))
	require.Eventually(t, func() bool {
		known, ok := r.client.AllFlagsState(ann).GetFlag(f.Key)
		return missing && !ok || ok && known.Version == r.version
	}, watchdog, 5*time.Millisecond)
}

// The whole way from LaunchDarkly's own server through its stream.
func TestConformanceOfRelay(t *testing.T) {
	relay := newRelayed(t)
	conforms(t, "launchdarkly-relay", true, func(t *testing.T, f conformance.Flag) (core.Rollout, func(conformance.Flag)) {
		set := func(f conformance.Flag) { relay.set(t, programmed(f, 0), f.Missing) }
		set(f)
		return relay.rollout, set
	})
}

// One experiment through the real relay: changes arrive by the stream, a relay
// that dies takes nothing with it, and one that comes back is heard again.
func TestRelay(t *testing.T) {
	relay := newRelayed(t)
	assign := served(t, relay.rollout)
	require.ErrorIs(t, assign().Err, core.ErrFlagNotFound)

	relay.set(t, flag("pill").On(false).Build(), false)
	require.Equal(t, core.SourceOff, assign().Source)

	relay.set(t, flag("pill").Fallthrough(share(0, 100, 0)).Build(), false)
	a := assign()
	require.Equal(t, core.On, a.State)
	require.Equal(t, "red", a.Variant)

	relay.set(t, flag("pill").Fallthrough(share(0, 50, 50)).Build(), false)
	a = assign()
	require.Equal(t, core.Conditional, a.State)
	require.Equal(t, core.SourceStored, a.Source)

	status := relay.client.GetDataSourceStatusProvider()
	relay.Kill()
	require.True(t, status.WaitFor(interfaces.DataSourceStateInterrupted, watchdog))
	a = assign()
	require.NoError(t, a.Err)
	require.Equal(t, core.Conditional, a.State)
	require.Equal(t, "red", a.Variant)

	relay.Serve(flagData(t, map[string]ldmodel.FeatureFlag{"pill": flag("pill").On(false).Version(100).Build()}))
	relay.Restart()
	require.True(t, status.WaitFor(interfaces.DataSourceStateValid, watchdog))
	require.Eventually(t, func() bool { return assign().Source == core.SourceOff }, watchdog, 5*time.Millisecond)

	relay.version = 100
	relay.set(t, flag("pill").Build(), true)
	require.ErrorIs(t, assign().Err, core.ErrFlagNotFound)
	require.Equal(t, core.Control, assign().Variant)
}
