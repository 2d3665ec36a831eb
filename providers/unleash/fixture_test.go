package unleash_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// A fake answers the Unleash client over HTTP as a server does. Tests of the
// client's own code need no more; what a server does is for real_test.go.
type fake struct {
	*httptest.Server
	fetches atomic.Int64
	counted atomic.Int64 // evaluations that the client reported

	mu       sync.Mutex
	body     string
	revision int
	status   int // other than 200
}

// newFake serves features, a JSON list without its brackets.
func newFake(t testing.TB, features string) *fake {
	f := &fake{}
	f.set(t, features, "")
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// set changes what is served. Segments are a JSON list too.
func (f *fake) set(t testing.TB, features, segments string) {
	body := answered(t, features, segments)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.body = body
	f.revision++
}

// answered returns what a server answers, which is what bootstrap data are too.
func answered(t testing.TB, features, segments string) string {
	body := `{"version":2,"features":[` + features + `],"segments":[` + segments + `]}`
	require.True(t, json.Valid([]byte(body)), "the test's JSON is broken: %s", body)
	return body
}

func (f *fake) answer(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = status
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.URL.Path {
	case "/client/metrics":
		var sent struct {
			Bucket struct {
				Toggles map[string]struct{ Yes, No int64 }
			}
		}
		if json.NewDecoder(r.Body).Decode(&sent) == nil {
			for _, n := range sent.Bucket.Toggles {
				f.counted.Add(n.Yes + n.No)
			}
		}
		w.WriteHeader(http.StatusAccepted)
	case "/client/register":
		w.WriteHeader(http.StatusAccepted)
	case "/client/features":
		f.fetches.Add(1)
		tag := strconv.Quote(strconv.Itoa(f.revision))
		switch {
		case f.status != 0:
			w.WriteHeader(f.status)
		case r.Header.Get("If-None-Match") == tag:
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("Etag", tag)
			_, _ = w.Write([]byte(f.body))
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// nowhere is an address at which nothing listens: port 1 is reserved, and
// refused at once.
const nowhere = "http://127.0.0.1:1/"

var (
	counting = uc.WithDisableMetrics(false)
	seldom   = uc.WithMetricsInterval(time.Hour) // sends nothing while a test runs
)

// A system is a client of a server, and a rollout over it with a Storage.
type system struct {
	*unleash.Rollout
	client  *uc.Client
	storage *unleash.Storage
	stop    func() // closes the client, before the test ends
}

// newSystem returns a system without metrics that asks url often.
func newSystem(t testing.TB, url string, opts unleash.Options, options ...uc.ConfigOption) *system {
	t.Helper()
	s := &system{storage: opts.Storage}
	if s.storage == nil {
		s.storage = unleash.NewStorage(nil, nil)
	}
	s.client, s.stop = newClient(t, url, append([]uc.ConfigOption{uc.WithStorage(s.storage)}, options...)...)
	opts.Storage = s.storage
	s.Rollout = unleash.New(s.client, &opts)
	return s
}

// newClient returns a client without our Storage.
func newClient(t testing.TB, url string, options ...uc.ConfigOption) (client *uc.Client, stop func()) {
	t.Helper()
	client, err := uc.NewClient(append([]uc.ConfigOption{
		uc.WithUrl(url),
		uc.WithAppName("rolloutkit"),
		uc.WithRefreshInterval(5 * time.Millisecond),
		uc.WithBackupPath(t.TempDir()),
		uc.WithDisableMetrics(true),
		uc.WithHttpClient(&http.Client{Timeout: 10 * time.Second}),
	}, options...)...)
	require.NoError(t, err)
	stop = sync.OnceFunc(func() { _ = client.Close() }) // the client panics the second time
	t.Cleanup(stop)
	return client, stop
}

// over returns a system of a fake server whose features it has loaded.
func over(t testing.TB, features string, opts unleash.Options, options ...uc.ConfigOption) (*system, *fake) {
	t.Helper()
	f := newFake(t, features)
	s := newSystem(t, f.URL, opts, options...)
	s.client.WaitForReady()
	return s, f
}

// offline returns a system that has features and no server.
func offline(t testing.TB, features string, opts unleash.Options, options ...uc.ConfigOption) *system {
	t.Helper()
	s := newSystem(t, nowhere, opts, append([]uc.ConfigOption{uc.WithRefreshInterval(time.Hour)}, options...)...)
	s.load(t, features)
	return s
}

// load does what the client does when a server sent features.
func (s *system) load(t testing.TB, features string) {
	t.Helper()
	var list []api.Feature
	require.NoError(t, json.Unmarshal([]byte("["+features+"]"), &list))
	data := map[string]any{}
	for _, f := range list {
		data[f.Name] = f
	}
	require.NoError(t, s.storage.Reset(data, false))
}

// eventually waits for what takes the client a moment.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 30*time.Second, time.Millisecond)
}

// ask resolves one unit in an experiment with the given variants, control and
// candidate where there are none.
func ask(t testing.TB, r core.Rollout, experiment, key string, variants ...string) (core.Decision, error) {
	if len(variants) == 0 {
		variants = []string{core.Control, core.Candidate}
	}
	return r.Resolve(t.Context(), core.Request{Experiment: experiment, Key: key, Variants: variants})
}

// failure returns the error of one evaluation of x.
func failure(t testing.TB, r core.Rollout) error {
	_, err := ask(t, r, "x", "alice")
	return err
}

// gets returns what the core reads of a decision, such as "conditional red".
func gets(t testing.TB, r core.Rollout, experiment, key string, variants ...string) string {
	t.Helper()
	d, err := ask(t, r, experiment, key, variants...)
	require.NoError(t, err)
	return text(d)
}

func text(d core.Decision) string {
	switch {
	case d.State == core.Off:
		return "off"
	case d.Outside:
		return d.State.String() + " outside"
	case d.Variant == "":
		return d.State.String() + " control"
	}
	return d.State.String() + " " + d.Variant
}

// The builders below write the JSON that a server sends.

// strategy returns a strategy with parameters such as "rollout=50 groupId=g" and
// further fields.
func strategy(name, parameters string, more ...string) string {
	p := map[string]string{}
	for _, pair := range strings.Fields(parameters) {
		k, v, _ := strings.Cut(pair, "=")
		p[k] = v
	}
	text, _ := json.Marshal(p)
	return strings.Join(append([]string{fmt.Sprintf(`{"name":%q,"parameters":%s`, name, text)}, more...), ",") + "}"
}

func share(percent, stickiness string, more ...string) string {
	return strategy("flexibleRollout", "rollout="+percent+" stickiness="+stickiness+" groupId=g", more...)
}

func share50(more ...string) string  { return share("50", "default", more...) }
func share100(more ...string) string { return share("100", "default", more...) }

// variants returns the field of that name, from "red=500 blue=500"; an empty
// stickiness is left out.
func variants(weights, stickiness string) string {
	var list []string
	for _, pair := range strings.Fields(weights) {
		name, weight, _ := strings.Cut(pair, "=")
		v := fmt.Sprintf(`{"name":%q,"weight":%s`, name, weight)
		if stickiness != "" {
			v += fmt.Sprintf(`,"stickiness":%q`, stickiness)
		}
		list = append(list, v+"}")
	}
	return `"variants":[` + strings.Join(list, ",") + "]"
}

// only returns the field that makes a strategy one for a unit.
func only(key string) string { return constraint("userId", "IN", key) }

func constraint(field, operator, value string) string {
	return fmt.Sprintf(`"constraints":[{"contextName":%q,"operator":%q,"values":[%q],"value":%q}]`, field, operator, value, value)
}

// enabled returns the enabled toggle "x" with strategies.
func enabled(strategies ...string) string { return toggleNamed("x", strategies...) }

func toggleNamed(name string, strategies ...string) string {
	return fmt.Sprintf(`{"name":%q,"enabled":true,"strategies":[%s]}`, name, strings.Join(strategies, ","))
}

// with adds fields to the first toggle.
func with(fields, toggles string) string {
	return strings.Replace(toggles, `{"name":"x",`, `{"name":"x",`+fields+",", 1)
}

// child returns the toggle "x", on for all but for its dependency on "p".
func child(need string) string { return with(`"dependencies":[{"feature":"p"`+need+`}]`, enabled()) }

// parent returns a child, and "p" with strategies.
func parent(need string, strategies ...string) string {
	return child(need) + "," + toggleNamed("p", strategies...)
}

// Weights of variants.
const (
	mixed      = "control=500 red=500"
	weightless = "red=0 blue=0"
)
