package launchdarkly_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/interfaces"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/ldfiledata"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldservices"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

// served returns what ann gets through the whole core, with a store of its own,
// over and over.
func served(t testing.TB, r core.Rollout) func() core.Assignment {
	e := pill(t, core.Config{Rollout: r, Store: memstore.New(nil)})
	return func() core.Assignment { return e.Assign(t.Context(), "ann") }
}

// Clients that never had flags. Nothing blocks, and nothing is stored.
func TestNothingToServe(t *testing.T) {
	server := func(answer http.HandlerFunc) ld.Config {
		s := httptest.NewServer(answer)
		t.Cleanup(s.Close)
		return ld.Config{ServiceEndpoints: ldcomponents.RelayProxyEndpoints(s.URL)}
	}
	release := make(chan struct{})
	hangs := server(func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) }) // before Close, which waits for handlers
	refuses := server(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	for name, c := range map[string]struct {
		cfg  ld.Config
		wait time.Duration
		made error
	}{
		"not waited for":           {ld.Config{DataSource: mute{}}, 0, nil},
		"waited in vain":           {hangs, 50 * time.Millisecond, ld.ErrInitializationTimeout},
		"a key that is wrong":      {refuses, watchdog, ld.ErrInitializationFailed},
		"a file that is not there": {ld.Config{DataSource: ldfiledata.DataSource().FilePaths("/nowhere/flags.json")}, watchdog, ld.ErrInitializationFailed},
		"offline":                  {ld.Config{Offline: true}, watchdog, nil},
	} {
		t.Run(name, func(t *testing.T) {
			defs := launchdarkly.DataStore(nil)
			c.cfg.DataStore = defs
			client, err := makeClient(t, c.cfg, c.wait)
			require.ErrorIs(t, err, c.made)
			assign := served(t, launchdarkly.New(client, &launchdarkly.Options{Definitions: defs}))
			check := func() {
				a := assign()
				require.ErrorIs(t, a.Err, core.ErrNotReady)
				require.Equal(t, core.Control, a.Variant)
				require.Equal(t, core.SourceError, a.Source)
				require.False(t, a.Tracked)
				var re *core.RolloutError
				require.ErrorAs(t, a.Err, &re)
				require.Equal(t, "launchdarkly", re.Provider)
			}
			check()
			if !c.cfg.Offline { // offline, the SDK has no error of its own
				require.ErrorIs(t, assign().Err, ld.ErrClientNotInitialized)
			}
			require.NoError(t, client.Close())
			check()
		})
	}
}

// The last flags are served while the connection is gone, and new ones when it
// is back. Before the first, nothing is, and the unit is then assigned as if
// nothing had been. A closed client keeps serving.
func TestStreamThatIsAway(t *testing.T) {
	var stream atomic.Pointer[http.Handler] // nil: down
	serve := func(variation int) {
		h, _ := ldservices.ServerSideStreamingServiceHandler(ldservices.NewServerSDKData().
			Flags(flag("pill").FallthroughVariation(variation).Build()).ToPutEvent())
		stream.Store(&h)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := stream.Load(); h != nil {
			(*h).ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections) // Close waits for handlers
	defs := launchdarkly.DataStore(nil)
	client, err := makeClient(t, ld.Config{ServiceEndpoints: ldcomponents.RelayProxyEndpoints(server.URL), DataStore: defs,
		DataSource: ldcomponents.StreamingDataSource().InitialReconnectDelay(10 * time.Millisecond)}, 0)
	require.NoError(t, err)
	r := launchdarkly.New(client, &launchdarkly.Options{Definitions: defs})
	assign, status := served(t, r), client.GetDataSourceStatusProvider()
	require.ErrorIs(t, assign().Err, core.ErrNotReady)

	serve(1)
	require.True(t, status.WaitFor(interfaces.DataSourceStateValid, watchdog))
	a := assign()
	require.NoError(t, a.Err)
	require.Equal(t, "red", a.Variant)
	require.Equal(t, core.SourceResolved, a.Source)

	stream.Store(nil)
	server.CloseClientConnections()
	require.True(t, status.WaitFor(interfaces.DataSourceStateInterrupted, watchdog))
	on := func(variant string) core.Decision {
		return core.Decision{State: core.On, Variant: variant, Reason: "FALLTHROUGH"}
	}
	require.Equal(t, on("red"), resolve(t, r, "pill", "k"))
	serve(2)
	require.Eventually(t, func() bool { return reflect.DeepEqual(on("blue"), resolve(t, r, "pill", "k")) }, watchdog, time.Millisecond)
	require.NoError(t, client.Close())
	require.Equal(t, on("blue"), resolve(t, r, "pill", "k"))
	require.NoError(t, client.Close())
}

// A closed client answers with its last flags, whatever the exposure, and takes
// no more events.
func TestClosed(t *testing.T) {
	for _, exposure := range []launchdarkly.Exposure{launchdarkly.ExposureOurs, launchdarkly.ExposureLaunchDarkly, launchdarkly.ExposureBoth} {
		t.Run(exposure.String(), func(t *testing.T) {
			sink, cfg := newSink(t)
			s := newSystem(t, cfg, redFlag("pill"))
			r, tracker := s.rollout(launchdarkly.Options{Exposure: exposure}), launchdarkly.NewTracker(s.LDClient, nil)
			require.NoError(t, s.Close())
			for range 100 {
				require.Equal(t, "red", resolve(t, r, "pill", "k").Variant)
				require.NoError(t, tracker.Track(t.Context(), core.Event{Action: "clicked", Key: "k"}))
			}
			kinds, evaluations := sink.events(t, s.LDClient)
			require.Empty(t, kinds)
			require.Zero(t, evaluations)
		})
	}
}
