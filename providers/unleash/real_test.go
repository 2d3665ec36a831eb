package unleash_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/unleashtest"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// TestMain ends the real server that the tests may have started.
func TestMain(m *testing.M) {
	code := m.Run()
	unleashtest.Stop()
	os.Exit(code)
}

// overReal returns a system of the server, made as the package comment says,
// once it has the server's toggles.
func overReal(t testing.TB, server *unleashtest.Server, options ...uc.ConfigOption) *system {
	t.Helper()
	s := newSystem(t, server.URL, unleash.Options{}, append([]uc.ConfigOption{
		counting, seldom, uc.WithRefreshInterval(50 * time.Millisecond),
		uc.WithCustomHeaders(http.Header{"Authorization": {unleashtest.ClientToken}}),
	}, options...)...)
	s.client.WaitForReady()
	return s
}

// put has the server hold a toggle, and returns when the client knows.
func (s *system) put(t testing.TB, server *unleashtest.Server, toggle unleashtest.Toggle) {
	t.Helper()
	server.Put(t, toggle)
	s.sees(t, toggle)
}

// redFor returns a toggle that gives a percentage of the units red.
func redFor(percent int, name string) unleashtest.Toggle {
	return unleashtest.Toggle{Name: name, Description: "made", Strategies: []unleashtest.Strategy{
		unleashtest.Gradual(name, percent, unleashtest.Weighted("red", 1000))}}
}

// No restart, of anything.
func TestFlipsAreSeen(t *testing.T) {
	server := unleashtest.Shared(t)
	s := overReal(t, server)
	s.put(t, server, redFor(100, "flips"))
	answers := func(want string) {
		t.Helper()
		eventually(t, func() bool { return gets(t, s, "flips", "alice", "control", "red") == want })
	}
	answers("on red")
	server.Enable(t, "flips", false)
	answers("off")
	server.Enable(t, "flips", true)
	answers("on red")
	server.Archive(t, "flips")
	var err error
	eventually(t, func() bool { _, err = ask(t, s, "flips", "alice", "control", "red"); return err != nil })
	require.ErrorIs(t, err, core.ErrFlagNotFound)
}

// What was known stays, with and without a restart of the app.
func TestServerDies(t *testing.T) {
	server := unleashtest.Shared(t)
	server.Put(t, redFor(50, "survives"))
	dies, dir, l := server.Twin(t), t.TempDir(), &failing{errors: make(chan error, 1)}
	s := overReal(t, dies, uc.WithBackupPath(dir), uc.WithListener(unleash.Detach(l)))
	s.sees(t, redFor(50, "survives"))
	all := func(r core.Rollout) (texts []string) {
		for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			texts = append(texts, gets(t, r, "survives", key, "control", "red"))
		}
		return texts
	}
	before := all(s)
	dies.Kill()
	require.ErrorContains(t, <-l.errors, "client/features")
	require.Equal(t, before, all(s), "the last state")
	require.Equal(t, before, all(newSystem(t, dies.URL, unleash.Options{}, uc.WithBackupPath(dir))), "the backup")

	exp, events, store := experiment(t, "survives", newSystem(t, dies.URL, unleash.Options{}))
	color, err := exp.Run(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "grey", color)
	a := exp.Assign(ctx, "a")
	require.Equal(t, core.SourceError, a.Source)
	require.ErrorIs(t, a.Err, core.ErrNotReady)
	require.False(t, a.Tracked)
	require.Empty(t, events.Take())
	lookups := []core.Lookup{{Experiment: "survives", Key: a.Key}}
	require.NoError(t, store.Load(ctx, lookups))
	require.Zero(t, lookups[0].Entry)
}

// The server counts each evaluation once, and knows which variant it named.
func TestRealMetrics(t *testing.T) {
	server := unleashtest.Shared(t)
	s := overReal(t, server, uc.WithMetricsInterval(50*time.Millisecond))
	s.put(t, server, redFor(50, "counted"))
	evaluate := func(key string) bool { return gets(t, s, "counted", key, "control", "red") == "conditional red" }
	counted := func() (yes, no int) {
		yes, no, variants := server.Metrics(t, "counted")
		if yes != variants["red"] || no != variants["disabled"] {
			return 0, 0 // the server is still writing
		}
		return yes, no
	}
	// It writes what it was sent every few seconds, and drops what it is sent of
	// a toggle that is too new to it. What seems dropped may only be late.
	first, tries := false, 0
	for yes, no := 0, 0; yes+no == 0; tries++ {
		require.Less(t, tries, 6)
		first = evaluate("first")
		for wait := 0; yes+no == 0 && wait < 20; wait++ {
			time.Sleep(500 * time.Millisecond)
			yes, no = counted()
		}
	}
	red := 0
	for i := range 100 {
		if evaluate(fmt.Sprint("unit ", i)) {
			red++
		}
	}
	require.Eventually(t, func() bool {
		yes, no := counted()
		firsts := yes + no - 100
		if first {
			yes -= firsts
		}
		return firsts >= 1 && firsts <= tries && yes == red
	}, time.Minute, 500*time.Millisecond, "100 evaluations, %d of them red, after %d", red, tries)
}

// The server refuses it, which is an error and no hang.
func TestRealBadToken(t *testing.T) {
	l := &failing{errors: make(chan error, 1)}
	s := newSystem(t, unleashtest.Shared(t).URL, unleash.Options{}, uc.WithListener(unleash.Detach(l)), counting, seldom,
		uc.WithCustomHeaders(http.Header{"Authorization": {"default:development.nobody"}}))
	require.ErrorContains(t, <-l.errors, "status code 401")
	require.ErrorIs(t, failure(t, s), core.ErrNotReady)
}

// What this server does not create: tests have bootstrap data instead.
func TestServerRefuses(t *testing.T) {
	server := unleashtest.Shared(t)
	server.Put(t, unleashtest.Toggle{Name: "refused"})
	require.ErrorContains(t, server.Refuses("refused", unleashtest.Strategy{
		Name: "userWithId", Parameters: map[string]string{"userIds": "alice"}}), "Could not find strategy")
	require.Error(t, server.Refuses("refused", unleashtest.Strategy{
		Name: "flexibleRollout", Variants: []unleashtest.Variant{unleashtest.Weighted("red", 0)}}), "weightless")
	for name, legal := range legalNames {
		err := server.Create(name)
		require.Equal(t, legal, err == nil, "%s: %v", name, err)
	}
}
