package unleash

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/internal/unleashtest"
)

// TestMain ends the real server that the tests may have started.
func TestMain(m *testing.M) {
	code := m.Run()
	unleashtest.Stop()
	os.Exit(code)
}

// overReal returns a rollout over a client of the server, made as the package
// comment says, once the client has the server's toggles.
func overReal(t testing.TB, server *unleashtest.Server, opts *Options, options ...uc.ConfigOption) *Rollout {
	t.Helper()
	o := Options{}
	if opts != nil {
		o = *opts
	}
	o.Storage = NewStorage(nil, nil)
	client := newClient(t, server.URL, append([]uc.ConfigOption{
		uc.WithStorage(o.Storage), counting, seldom, uc.WithRefreshInterval(50 * time.Millisecond),
		uc.WithCustomHeaders(http.Header{"Authorization": {unleashtest.ClientToken}}),
	}, options...)...)
	eventually(t, func() bool { d, err := o.Storage.load(false); return err == nil && d.fresh })
	return New(client, &o)
}

// sees waits until the client of r has the toggle as it is now.
func sees(t testing.TB, r *Rollout, toggle unleashtest.Toggle) {
	t.Helper()
	var strategies []api.Strategy
	var parents []api.Dependency
	convert(t, toggle.Strategies, &strategies)
	convert(t, toggle.Parents, &parents)
	var f *api.Feature
	defer func() {
		if t.Failed() {
			t.Logf("want %+v, the client has %+v", toggle, f)
		}
	}()
	eventually(t, func() bool {
		known, err := r.opts.Storage.load(false)
		if err != nil || known.byName[toggle.Name] == nil {
			return false
		}
		f = known.byName[toggle.Name]
		var has []api.Dependency
		if f.Dependencies != nil {
			has = *f.Dependencies
		}
		return f.Enabled == !toggle.Disabled && len(has) == len(parents) &&
			(toggle.Strategies == nil || reflect.DeepEqual(tidy(strategies), tidy(f.Strategies)))
	})
}

// convert goes by way of JSON from the terms of the admin API to the client's.
func convert(t testing.TB, from, into any) {
	text, err := json.Marshal(from)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

// tidy returns strategies without what the server changes: it sorts variants by
// name, and sends empty lists for none.
func tidy(strategies []api.Strategy) []api.Strategy {
	out := []api.Strategy{}
	for _, s := range strategies {
		s.Parameters = maps.Clone(s.Parameters)
		if s.Parameters == nil {
			s.Parameters = api.ParameterMap{}
		}
		s.Constraints = append([]api.Constraint{}, s.Constraints...)
		for i := range s.Constraints {
			s.Constraints[i].Values = append([]string{}, s.Constraints[i].Values...)
		}
		s.Segments = append([]int{}, s.Segments...)
		s.Variants = append([]api.VariantInternal{}, s.Variants...)
		slices.SortFunc(s.Variants, func(a, b api.VariantInternal) int { return strings.Compare(a.Name, b.Name) })
		out = append(out, s)
	}
	return out
}

// TestFlipsAreSeen: no restart, of anything.
func TestFlipsAreSeen(t *testing.T) {
	server := unleashtest.Shared(t)
	toggle := unleashtest.Toggle{Name: "flips", Strategies: []unleashtest.Strategy{
		unleashtest.Gradual("flips", 100, unleashtest.Weighted("red", 1000))}}
	server.Put(t, toggle)
	r := overReal(t, server, nil)
	answers := func(want string) {
		t.Helper()
		eventually(t, func() bool {
			d, err := ask(r, "flips", "alice", "control", "red")
			return err == nil && decisionText(d) == want
		})
	}
	answers("on red")
	server.Enable(t, "flips", false)
	answers("off")
	server.Enable(t, "flips", true)
	answers("on red")

	server.Archive(t, "flips")
	eventually(t, func() bool { _, err := ask(r, "flips", "alice", "control", "red"); return err != nil })
	_, err := ask(r, "flips", "alice", "control", "red")
	require.ErrorIs(t, err, core.ErrFlagNotFound)
}

// TestServerDies: what was known stays, with and without a restart of the app.
func TestServerDies(t *testing.T) {
	server := unleashtest.Shared(t)
	toggle := unleashtest.Toggle{Name: "survives", Strategies: []unleashtest.Strategy{
		unleashtest.Gradual("survives", 50, unleashtest.Weighted("red", 1000))}}
	server.Put(t, toggle)
	dies := server.Twin(t)
	dir := t.TempDir()
	l := &errorListener{errors: make(chan error, 1)}
	r := overReal(t, dies, nil, uc.WithBackupPath(dir), uc.WithListener(Detach(l)))
	sees(t, r, toggle)
	all := func(r *Rollout) string {
		text := ""
		for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			d, err := ask(r, "survives", key, "control", "red")
			require.NoError(t, err)
			text += decisionText(d) + "\n"
		}
		return text
	}
	before := all(r)
	dies.Kill()
	require.ErrorContains(t, <-l.errors, "client/features")
	require.Equal(t, before, all(r), "the last state")

	s := NewStorage(nil, nil)
	restarted := New(newClient(t, dies.URL, uc.WithStorage(s), uc.WithBackupPath(dir)), &Options{Storage: s})
	require.Equal(t, before, all(restarted), "the backup")

	s = NewStorage(nil, nil)
	client := newClient(t, dies.URL, uc.WithStorage(s))
	store := memstore.New(nil)
	var events []core.Event
	app, err := core.New(core.Config{
		Rollout: New(client, &Options{Storage: s}), Store: store, InsecureNoSecret: true,
		Tracker: core.TrackerFunc(func(_ context.Context, e core.Event) error { events = append(events, e); return nil }),
	})
	require.NoError(t, err)
	exp, err := core.Define(app, core.Definition[string, string]{
		Name: "survives", Unit: func(id string) core.Unit { return core.Actor(id) },
		Control:  core.Variant[string, string]{Value: "grey"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red"}},
	})
	require.NoError(t, err)
	color, err := exp.Run(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "grey", color)
	a := exp.Assign(t.Context(), "a")
	require.Equal(t, core.SourceError, a.Source)
	require.ErrorIs(t, a.Err, core.ErrNotReady)
	require.False(t, a.Tracked)
	require.Empty(t, events)
	_, _, found, err := store.Load(t.Context(), "survives", a.Key, nil)
	require.NoError(t, err)
	require.False(t, found)
}

// TestRealMetrics: the server counts each evaluation once, and knows which
// variant it named.
func TestRealMetrics(t *testing.T) {
	server := unleashtest.Shared(t)
	toggle := unleashtest.Toggle{Name: "counted", Strategies: []unleashtest.Strategy{
		unleashtest.Gradual("counted", 50, unleashtest.Weighted("red", 1000))}}
	server.Put(t, toggle)
	r := overReal(t, server, nil, uc.WithMetricsInterval(50*time.Millisecond))
	sees(t, r, toggle)
	evaluate := func(key string) string {
		d, err := ask(r, "counted", key, "control", "red")
		require.NoError(t, err)
		return d.Variant
	}
	counted := func() (yes, no int) {
		yes, no, variants := server.Metrics(t, "counted")
		if yes != variants["red"] || no != variants[disabled] {
			return 0, 0 // the server is still writing
		}
		return yes, no
	}
	// It writes what it was sent every few seconds, and drops what it is sent of
	// a toggle that is too new to it. What seems dropped may only be late.
	var first string
	yes, no, tries := 0, 0, 0
	for ; yes+no == 0 && tries < 6; tries++ {
		first = evaluate("first")
		for range 20 {
			if yes, no = counted(); yes+no > 0 {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
	}
	require.Positive(t, yes+no)
	red := 0
	for i := range 100 {
		if evaluate(fmt.Sprint("unit ", i)) == "red" {
			red++
		}
	}
	require.Eventually(t, func() bool {
		yes, no := counted()
		firsts := yes + no - 100
		if first == "red" {
			yes -= firsts
		} else {
			no -= firsts
		}
		return firsts >= 1 && firsts <= tries && yes == red && no == 100-red
	}, time.Minute, 500*time.Millisecond, "%d evaluations, %d of them red, after %d", 100, red, tries)
}

// TestRealBadToken: the server refuses it, which is an error and no hang.
func TestRealBadToken(t *testing.T) {
	server := unleashtest.Shared(t)
	l := &errorListener{errors: make(chan error, 1)}
	s := NewStorage(nil, nil)
	client := newClient(t, server.URL, uc.WithStorage(s), uc.WithListener(Detach(l)), counting, seldom,
		uc.WithCustomHeaders(http.Header{"Authorization": {"default:development.nobody"}}))
	require.ErrorContains(t, <-l.errors, "status code 401")
	_, err := ask(New(client, &Options{Storage: s}), "x", "alice")
	require.ErrorIs(t, err, core.ErrNotReady)
}

// TestServerRefuses pins what this server does not create, for which the tests
// have bootstrap data instead.
func TestServerRefuses(t *testing.T) {
	server := unleashtest.Shared(t)
	server.Put(t, unleashtest.Toggle{Name: "refused"})
	require.ErrorContains(t, server.Refuses("refused", unleashtest.Strategy{
		Name: "userWithId", Parameters: map[string]string{"userIds": "alice"}}), "Could not find strategy")
	require.Error(t, server.Refuses("refused", unleashtest.Strategy{
		Name: "flexibleRollout", Variants: []unleashtest.Variant{unleashtest.Weighted("red", 0)}}), "weightless")
	for name, legal := range map[string]bool{"a.b~c-d_E": true, "a/b": false, "a b": false, ".": false} {
		require.Equal(t, legal, legalName(name))
		err := server.Create(name)
		require.Equal(t, legal, err == nil, "%s: %v", name, err)
	}
}
