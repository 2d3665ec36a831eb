package launchdarkly

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/interfaces"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/ldfiledata"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldservices"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// served returns what a unit gets through the whole core, with a store of its
// own, over and over.
func served(t testing.TB, c *ld.LDClient, o *Options) func() core.Assignment {
	t.Helper()
	client, err := core.New(core.Config{Rollout: New(c, o), Store: memstore.New(nil), KeySecret: make([]byte, 32),
		Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	e := core.MustDefine(client, core.Definition[string, string]{
		Name: "pill", Unit: core.Actor[string], Variants: []core.Variant[string, string]{{Name: "red"}, {Name: "blue"}},
	})
	return func() core.Assignment { return e.Assign(t.Context(), "ann") }
}

// TestNothingToServe: clients that never had flags. Nothing blocks, nothing is
// stored, and once there are flags the unit is assigned as if nothing had been.
func TestNothingToServe(t *testing.T) {
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hangs.Close)
	t.Cleanup(func() { close(release) }) // before Close, which waits for handlers
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(refuses.Close)
	for name, c := range map[string]struct {
		cfg  ld.Config
		wait time.Duration
		made error
	}{
		"not waited for":           {ld.Config{DataSource: mute{}}, 0, nil},
		"waited in vain":           {ld.Config{ServiceEndpoints: ldcomponents.RelayProxyEndpoints(hangs.URL)}, 50 * time.Millisecond, ld.ErrInitializationTimeout},
		"a key that is wrong":      {ld.Config{ServiceEndpoints: ldcomponents.RelayProxyEndpoints(refuses.URL)}, watchdog, ld.ErrInitializationFailed},
		"a file that is not there": {ld.Config{DataSource: ldfiledata.DataSource().FilePaths("/nowhere/flags.json")}, watchdog, ld.ErrInitializationFailed},
		"offline":                  {ld.Config{Offline: true}, watchdog, nil},
	} {
		t.Run(name, func(t *testing.T) {
			defs := DataStore(nil)
			c.cfg.Events, c.cfg.Logging, c.cfg.DataStore = ldcomponents.NoEvents(), ldcomponents.NoLogging(), defs
			client, err := ld.MakeCustomClient("key", c.cfg, c.wait)
			require.ErrorIs(t, err, c.made)
			assign := served(t, client, &Options{Definitions: defs})
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

func TestLateStart(t *testing.T) {
	begin := make(chan struct{})
	start := sync.OnceFunc(func() { close(begin) })
	stream, _ := ldservices.ServerSideStreamingServiceHandler(ldservices.NewServerSDKData().
		Flags(flag("pill").FallthroughVariation(1).Build()).ToPutEvent())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-begin
		stream.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(start)
	client, err := ld.MakeCustomClient("key", ld.Config{ServiceEndpoints: ldcomponents.RelayProxyEndpoints(server.URL),
		Events: ldcomponents.NoEvents(), Logging: ldcomponents.NoLogging()}, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	assign := served(t, client, nil)
	require.ErrorIs(t, assign().Err, core.ErrNotReady)
	start()
	require.Eventually(t, func() bool {
		a := assign()
		return a.Err == nil && a.Variant == "red" && a.Source == core.SourceResolved
	}, watchdog, time.Millisecond)
}

// TestLostStream: the last flags are served while the connection is gone, and
// new ones when it is back; a closed client keeps serving.
func TestLostStream(t *testing.T) {
	var stream atomic.Pointer[http.Handler] // nil: down
	serve := func(variation int) {
		h, _ := ldservices.ServerSideStreamingServiceHandler(ldservices.NewServerSDKData().
			Flags(flag("pill").FallthroughVariation(variation).Build()).ToPutEvent())
		stream.Store(&h)
	}
	serve(1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := stream.Load(); h != nil {
			(*h).ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections) // Close waits for handlers
	defs := DataStore(nil)
	client := newClient(t, ld.Config{ServiceEndpoints: ldcomponents.RelayProxyEndpoints(server.URL), DataStore: defs,
		DataSource: ldcomponents.StreamingDataSource().InitialReconnectDelay(10 * time.Millisecond)})
	r := New(client, &Options{Definitions: defs})
	serves := func(variant string) bool {
		d, err := r.Resolve(t.Context(), request("pill", "k"))
		return err == nil && d.State == core.On && d.Variant == variant
	}
	status := client.GetDataSourceStatusProvider()
	require.True(t, status.WaitFor(interfaces.DataSourceStateValid, watchdog))
	require.True(t, serves("red"))

	stream.Store(nil)
	server.CloseClientConnections()
	require.True(t, status.WaitFor(interfaces.DataSourceStateInterrupted, watchdog))
	require.True(t, serves("red"))

	serve(2)
	require.Eventually(t, func() bool { return serves("blue") }, watchdog, time.Millisecond)

	require.NoError(t, client.Close())
	require.True(t, serves("blue"))
	require.NoError(t, client.Close())
}

// TestClosed: a closed client answers with its last flags, whatever the
// exposure, and takes no more events.
func TestClosed(t *testing.T) {
	for _, exposure := range []Exposure{ExposureOurs, ExposureLaunchDarkly, ExposureBoth} {
		s := newSink(t)
		source := ldtestdata.DataSource().UsePreconfiguredFlag(flag("pill").FallthroughVariation(1).Build())
		client := newClient(t, ld.Config{DataSource: source, Events: ldcomponents.SendEvents(),
			ServiceEndpoints: interfaces.ServiceEndpoints{Events: s.URL}})
		o := &Options{Exposure: exposure}
		r, tracker := New(client, o), NewTracker(client, o)
		require.NoError(t, client.Close())
		for range 100 {
			d, err := r.Resolve(t.Context(), request("pill", "k"))
			require.NoError(t, err)
			require.Equal(t, "red", d.Variant)
			require.NoError(t, tracker.Track(t.Context(), core.Event{Action: "clicked", Key: "k"}))
		}
		kinds, evaluations := s.events(t, client)
		require.Empty(t, kinds)
		require.Zero(t, evaluations)
	}
}
