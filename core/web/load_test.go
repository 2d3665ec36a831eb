package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

const (
	loadRate    = 2000 // requests a second
	loadWorkers = 32
)

// loadTime is how long the load lasts: ROLLOUTKIT_LOAD, such as 30s, or a second.
func loadTime(t *testing.T) time.Duration {
	text := os.Getenv("ROLLOUTKIT_LOAD")
	if text == "" {
		return time.Second
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

// A tally is a tracker that holds every assignment event against what the pages
// showed.
type tally struct {
	mu       sync.Mutex
	variants map[string]string // by key
	ids      map[string]string // by key
	events   int
	wrong    []string
}

func (c *tally) Track(_ context.Context, e core.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events++
	if v, seen := c.variants[e.Key]; seen && (v != e.Variant || c.ids[e.Key] != e.ID) {
		c.wrong = append(c.wrong, fmt.Sprintf("%s had %s, and has %s", e.Key, v, e.Variant))
	}
	for _, old := range e.MigrationKeys {
		if v := c.variants[old]; v != e.Variant {
			c.wrong = append(c.wrong, fmt.Sprintf("%s had %s before, and has %s", e.Key, v, e.Variant))
		}
	}
	c.variants[e.Key], c.ids[e.Key] = e.Variant, e.ID
	return nil
}

// Visitors come by, over loopback, at a given rate: those who never accept a
// cookie, those who return, and those who sign in. Each page runs its experiment
// twice, and sends one event; nobody's variant changes; and the first ones write
// nothing.
func TestLoad(t *testing.T) {
	events := &tally{variants: map[string]string{}, ids: map[string]string{}}
	l := newLab(t, func(c *core.Config, w *web.Config) {
		c.Rollout = percent.New(percent.Weights{"control": 34, "red": 33, "blue": 33})
		c.Tracker, w.Insecure = events, true
	})
	server := httptest.NewServer(l.site.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := r.URL.Query().Get("user")
		first := l.exp.Publish(r.Context(), user)
		if second := l.exp.Publish(r.Context(), user); second.Variant != first.Variant {
			http.Error(w, "two variants on one page", http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, first.Variant)
	})))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loadWorkers}}
	get := func(path string, cookies []*http.Cookie) (string, []*http.Cookie, error) {
		r, err := http.NewRequest(http.MethodGet, server.URL+path, nil)
		if err != nil {
			return "", nil, err
		}
		for _, c := range cookies {
			r.AddCookie(c)
		}
		resp, err := client.Do(r)
		if err != nil {
			return "", nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", resp.Status, body)
		}
		return string(body), resp.Cookies(), err
	}

	length := loadTime(t)
	begin := time.Now()
	var requests, next, floods atomic.Int64
	faults := make(chan error, loadWorkers)
	var wg sync.WaitGroup
	for range loadWorkers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				due := begin.Add(time.Duration(n) * 4 * time.Second / loadRate)
				if due.Sub(begin) > length {
					return
				}
				time.Sleep(time.Until(due))
				// Four requests: one that floods, two of a visitor, one who signs in.
				_, _, err := get("/", nil)
				requests.Add(4)
				floods.Add(1)
				first, cookies, err1 := get("/", nil)
				again, _, err2 := get("/", cookies)
				known, _, err3 := get(fmt.Sprintf("/?user=user:%d", n), cookies)
				for _, e := range []error{err, err1, err2, err3} {
					if e != nil {
						faults <- e
						return
					}
				}
				if first != again || first != known {
					faults <- fmt.Errorf("visitor %d saw %s", n, strings.Join([]string{first, again, known}, ", "))
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	close(faults)
	for err := range faults {
		t.Error(err)
	}
	require.Empty(t, events.wrong)
	require.Equal(t, int(requests.Load()), events.events, "one event for each page")
	visits := int(floods.Load())
	require.Len(t, events.variants, 3*visits, "one key for each visitor, and one for each who signed in")
	// Who returned was stored. At the sign-in the store copies that by itself.
	require.Equal(t, visits, l.store.count(), "the flood wrote nothing")
	t.Logf("%d requests in %v, %.0f a second; %d events, 0 wrong, 0 twice; %d requests without a cookie wrote 0 bytes",
		requests.Load(), took.Round(time.Millisecond), float64(requests.Load())/took.Seconds(), events.events, visits)
}
