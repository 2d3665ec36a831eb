package conformance_test

import (
	"context"
	"maps"
	"sync"
	"testing"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
)

// A Shelf is a store with no more than a store needs.
type Shelf struct {
	mu      sync.Mutex
	entries map[place]core.Entry
}

type place struct{ experiment, key string }

func (s *Shelf) Load(_ context.Context, lookups []core.Lookup) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range lookups {
		l := &lookups[i]
		l.Entry = s.entries[place{l.Experiment, l.Key}]
	}
	return nil
}

func (s *Shelf) Claim(_ context.Context, experiment, key string, old, e core.Entry) (current core.Entry, won bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if current = s.entries[place{experiment, key}]; current != old {
		return current, false, nil
	}
	s.entries[place{experiment, key}] = e
	return e, true, nil
}

func (s *Shelf) Save(_ context.Context, experiment, key string, e core.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[place{experiment, key}] = e
	return nil
}

func (s *Shelf) Delete(_ context.Context, experiment string, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.entries, place{experiment, key})
	}
	return nil
}

func (s *Shelf) Clear(_ context.Context, experiment string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.entries, func(p place, _ core.Entry) bool { return p.experiment == experiment })
	return nil
}

// testShelf is called TestConformance where it is not part of an example.
func testShelf(t *testing.T) {
	conformance.RunStore(t, conformance.StoreHarness{
		Name: "shelf",
		New:  func(*testing.T) core.Store { return &Shelf{entries: map[place]core.Entry{}} },
		Unsupported: map[core.Capability]string{
			conformance.Counts:           "nobody here uses round robin",
			conformance.Expires:          "entries stay",
			conformance.Shares:           "entries are in the memory of one process",
			conformance.Unreadable:       "nobody else writes to that memory",
			conformance.ConcurrentWrites: "an operation holds the lock",
			conformance.DoesIO:           "it does no I/O",
		},
	})
}

// A store is proved by one test too. A store that several processes share, and
// that can fail, has a hook for each: see [conformance.StoreHarness].
func ExampleRunStore() {
	var _ func(t *testing.T) = testShelf
}
