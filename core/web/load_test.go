package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/web"
	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// A tally is a tracker that holds every assignment event against those before:
// a key keeps its variant and ID, and has the variant of its older keys.
type tally struct {
	mu     sync.Mutex
	first  map[string]core.Event // by key
	events int
	wrong  []string
}

func (c *tally) Track(_ context.Context, e core.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events++
	if e.Action != core.ActionAssignment {
		return nil
	}
	if first, seen := c.first[e.Key]; seen && (first.Variant != e.Variant || first.ID != e.ID) {
		c.wrong = append(c.wrong, fmt.Sprintf("%s had %s, and has %s", e.Key, first.Variant, e.Variant))
	}
	for _, older := range e.MigrationKeys {
		if v := c.first[older].Variant; v != e.Variant {
			c.wrong = append(c.wrong, fmt.Sprintf("%s had %s before, and has %s", e.Key, v, e.Variant))
		}
	}
	c.first[e.Key] = e
	return nil
}

// Many come by at the same time: for each one who never accepts a
// cookie there is one who does, returns, and signs in. Each page runs its
// experiment twice and sends one assignment event, nobody's variant changes, and
// those without a cookie write nothing.
func TestManyVisitorsAtTheSameTime(t *testing.T) {
	const workers = 32
	visitors := 5 * workers
	if realserver.Asked() {
		visitors = 30 * workers
	}
	events := &tally{first: map[string]core.Event{}}
	s := newShop(t, func(c *core.Config, _ *web.Config) {
		c.Rollout = percent.New(percent.Weights{"control": 34, "red": 33, "blue": 33})
		c.Tracker = events
	})
	s.page = func(w http.ResponseWriter, r *http.Request) {
		user := r.URL.Query().Get("user")
		first := s.pill.Publish(r.Context(), user)
		if second := s.pill.Publish(r.Context(), user); second.Variant != first.Variant {
			http.Error(w, "two variants on one page", http.StatusInternalServerError)
			return
		}
		_ = s.pill.Track(r.Context(), user, core.Event{Action: "clicked"})
		_, _ = io.WriteString(w, first.Variant)
	}
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := range visitors / workers {
				s.visit("/")
				b := s.browser()
				first, again := b.get("/").body, b.get("/").body
				known := b.get(fmt.Sprintf("/?user=user:%d-%d", worker, i)).body
				if first != again || first != known {
					t.Errorf("a visitor saw %q, then %q, then %q", first, again, known)
				}
			}
		})
	}
	wg.Wait()
	require.Empty(t, events.wrong)
	require.Equal(t, 2*4*visitors, events.events, "one assignment and one click for each page")
	require.Len(t, events.first, 3*visitors, "one key for each visitor, and one for each who signed in")
	// Who returned was stored, and copied to another key at the sign-in.
	require.Equal(t, 2*visitors, s.store.writes, "those without a cookie wrote nothing")
}
