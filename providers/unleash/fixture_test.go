package unleash

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"

	"github.com/rolloutkit/rolloutkit/core"
)

// A fake answers the Unleash client over HTTP as a server does. Tests of the
// client's own code need no more; what a server does is for real_test.go.
type fake struct {
	URL    string
	server *httptest.Server

	mu       sync.Mutex
	body     []byte
	revision int
	status   int // other than 200
	fetches  atomic.Int64
	counted  atomic.Int64 // evaluations that the client reported
}

// newFake serves features, a JSON list.
func newFake(t testing.TB, features string) *fake {
	f := &fake{}
	f.set(t, features, "")
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	f.URL = f.server.URL
	return f
}

// set changes what is served. segments is a JSON list too, or empty.
func (f *fake) set(t testing.TB, features, segments string) {
	if segments == "" {
		segments = "[]"
	}
	body := []byte(`{"version":2,"features":` + features + `,"segments":` + segments + `}`)
	require.True(t, json.Valid(body), "the test's JSON is broken: %s", body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.body = body
	f.revision++
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
			_, _ = w.Write(f.body)
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// nowhere is an address at which nothing listens: port 1 is reserved, and
// refused at once.
const nowhere = "http://127.0.0.1:1/"

// newClient returns a client without metrics that asks url often. It is closed
// with the test.
func newClient(t testing.TB, url string, options ...uc.ConfigOption) *uc.Client {
	t.Helper()
	client, _ := openClient(t, url, options...)
	return client
}

// openClient is newClient for tests that close the client themselves.
func openClient(t testing.TB, url string, options ...uc.ConfigOption) (client *uc.Client, stop func()) {
	t.Helper()
	options = append([]uc.ConfigOption{
		uc.WithUrl(url),
		uc.WithAppName("rolloutkit"),
		uc.WithRefreshInterval(10 * time.Millisecond),
		uc.WithBackupPath(t.TempDir()),
		uc.WithDisableMetrics(true),
		uc.WithHttpClient(&http.Client{Timeout: 10 * time.Second}),
	}, options...)
	client, err := uc.NewClient(options...)
	require.NoError(t, err)
	stop = sync.OnceFunc(func() { _ = client.Close() }) // the client panics the second time
	t.Cleanup(stop)
	return client, stop
}

// over returns a rollout over a fake server with the given features, which have
// been loaded, with a Storage.
func over(t testing.TB, features string, opts *Options, options ...uc.ConfigOption) (*Rollout, *fake) {
	t.Helper()
	f := newFake(t, features)
	o := Options{}
	if opts != nil {
		o = *opts
	}
	o.Storage = NewStorage(nil, nil)
	client := newClient(t, f.URL, append(options, uc.WithStorage(o.Storage))...)
	eventually(t, func() bool { d, err := o.Storage.load(false); return err == nil && d.fresh })
	return New(client, &o), f
}

// eventually waits for what takes the client a moment.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 30*time.Second, 2*time.Millisecond)
}

// ask resolves one unit in an experiment with the given variants, control and
// candidate where there are none.
func ask(r core.Rollout, experiment, key string, variants ...string) (core.Decision, error) {
	if len(variants) == 0 {
		variants = []string{core.Control, core.Candidate}
	}
	return r.Resolve(context.Background(), core.Request{Experiment: experiment, Key: key, Variants: variants})
}

// decoded returns the features of a JSON list.
func decoded(t testing.TB, features string) []api.Feature {
	t.Helper()
	var list []api.Feature
	require.NoError(t, json.Unmarshal([]byte(features), &list))
	return list
}

// offline returns a rollout over a client that has features, a JSON list, and no
// server.
func offline(t testing.TB, features string, opts *Options, options ...uc.ConfigOption) *Rollout {
	t.Helper()
	o := Options{}
	if opts != nil {
		o = *opts
	}
	o.Storage = NewStorage(nil, nil)
	client := newClient(t, nowhere, append([]uc.ConfigOption{
		uc.WithStorage(o.Storage), uc.WithRefreshInterval(time.Hour),
	}, options...)...)
	load(t, o.Storage, features)
	return New(client, &o)
}

// load does what the client does when a server sent features.
func load(t testing.TB, s *Storage, features string) {
	t.Helper()
	data := map[string]any{}
	for _, f := range decoded(t, features) {
		data[f.Name] = f
	}
	require.NoError(t, s.Reset(data, false))
}
