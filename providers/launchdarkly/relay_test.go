package launchdarkly

import (
	"testing"
	"time"

	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	"github.com/launchdarkly/go-server-sdk/v7/interfaces"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// TestRelay follows one experiment through the real relay: changes arrive by
// the stream, a relay that dies takes nothing with it, and one that comes back
// is heard again.
func TestRelay(t *testing.T) {
	relay := newRelayed(t)
	assign := served(t, relay.client, &Options{Definitions: relay.defs})
	build := func(b interface{ Build() ldmodel.FeatureFlag }) func(int) ldmodel.FeatureFlag {
		return func(version int) ldmodel.FeatureFlag {
			f := b.Build()
			f.Version = version
			return f
		}
	}
	require.ErrorIs(t, assign().Err, core.ErrFlagNotFound)

	relay.set(t, "pill", build(flag("pill").On(false)), false)
	require.Equal(t, core.SourceOff, assign().Source)

	relay.set(t, "pill", build(flag("pill").Fallthrough(share(0, 100, 0))), false)
	a := assign()
	require.Equal(t, core.On, a.State)
	require.Equal(t, "red", a.Variant)

	relay.set(t, "pill", build(flag("pill").Fallthrough(share(0, 50, 50))), false)
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
	relay.set(t, "pill", nil, true)
	require.ErrorIs(t, assign().Err, core.ErrFlagNotFound)
	require.Equal(t, core.Control, assign().Variant)
}
