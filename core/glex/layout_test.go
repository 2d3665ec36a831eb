package glex_test

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
)

// A layout is a store in memory that lies as the gem's Redis does: hashes of
// bare variant names, and older entries move.
type layout struct {
	mu     sync.Mutex
	hashes map[string]map[string]string
	counts map[string]map[string]int64
}

func newLayout() *layout {
	return &layout{hashes: map[string]map[string]string{}, counts: map[string]map[string]int64{}}
}

func (l *layout) VariantOnly() bool { return true }

func (l *layout) Load(_ context.Context, experiment, key string, older []string) (core.Entry, []string, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	hash := l.hashes[glex.AssignmentsKey(experiment)]
	var others []string
	variant, found := hash[key]
	for _, k := range older {
		switch v, ok := hash[k]; {
		case !ok:
		case !found:
			variant, found = v, true
			hash[key] = v
			delete(hash, k)
		case v != variant:
			others = append(others, k)
		}
	}
	if !found {
		return core.Entry{}, nil, false, nil
	}
	return core.Entry{Variant: variant, Final: true}, others, true, nil
}

func (l *layout) Claim(_ context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stands, ok := l.hashes[glex.AssignmentsKey(experiment)][key]; ok && stands != old.Variant {
		return core.Entry{Variant: stands, Final: true}, nil
	}
	l.put(experiment, key, e.Variant)
	return e, nil
}

func (l *layout) put(experiment, key, variant string) {
	name := glex.AssignmentsKey(experiment)
	if l.hashes[name] == nil {
		l.hashes[name] = map[string]string{}
	}
	l.hashes[name][key] = variant
}

func (l *layout) Save(_ context.Context, experiment, key string, e core.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(experiment, key, e.Variant)
	return nil
}

func (l *layout) Delete(_ context.Context, experiment string, keys ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.hashes[glex.AssignmentsKey(experiment)], func(key, _ string) bool { return slices.Contains(keys, key) })
	return nil
}

func (l *layout) Clear(_ context.Context, experiment string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.hashes, glex.AssignmentsKey(experiment))
	delete(l.counts, glex.CountersKey(experiment))
	return nil
}

func (l *layout) Increment(_ context.Context, experiment, name string, by int64) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	hash := glex.CountersKey(experiment)
	if l.counts[hash] == nil {
		l.counts[hash] = map[string]int64{}
	}
	l.counts[hash][name] += by
	return l.counts[hash][name], nil
}
