package glex_test

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/rolloutkit/rolloutkit/core"
)

// A gemStore is a store in memory that lies as the gem's Redis does: hashes of
// bare variant names, and beside them hashes of counts.
type gemStore struct {
	mu     sync.Mutex
	hashes map[string]map[string]string
}

func newGemStore() *gemStore { return &gemStore{hashes: map[string]map[string]string{}} }

func (s *gemStore) VariantOnly() bool { return true }

func (s *gemStore) Load(_ context.Context, lookups []core.Lookup) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range lookups {
		lookups[i].Entry.Variant = s.hashes[l.Experiment][l.Key]
	}
	return nil
}

func (s *gemStore) Claim(_ context.Context, experiment, key string, old, e core.Entry) (core.Entry, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if current := s.hashes[experiment][key]; current != old.Variant {
		return core.Entry{Variant: current}, false, nil
	}
	s.put(experiment, key, e.Variant)
	return e, true, nil
}

func (s *gemStore) Save(_ context.Context, experiment, key string, e core.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(experiment, key, e.Variant)
	return nil
}

func (s *gemStore) put(hash, field, value string) {
	if s.hashes[hash] == nil {
		s.hashes[hash] = map[string]string{}
	}
	s.hashes[hash][field] = value
}

func (s *gemStore) Delete(_ context.Context, experiment string, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.hashes[experiment], func(key, _ string) bool { return slices.Contains(keys, key) })
	return nil
}

func (s *gemStore) Clear(_ context.Context, experiment string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hashes, experiment)
	delete(s.hashes, experiment+"_attrs")
	return nil
}

func (s *gemStore) Increment(_ context.Context, experiment, name string, by int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ := strconv.ParseInt(s.hashes[experiment+"_attrs"][name], 10, 64)
	s.put(experiment+"_attrs", name, strconv.FormatInt(n+by, 10))
	return n + by, nil
}
