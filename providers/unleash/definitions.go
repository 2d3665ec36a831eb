package unleash

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	uc "github.com/Unleash/unleash-client-go/v4"
	"github.com/Unleash/unleash-client-go/v4/api"

	"github.com/rolloutkit/rolloutkit/core"
)

// definitions are those of the toggles that a client has at one moment. They
// don't change.
type definitions struct {
	byName map[string]*api.Feature

	// fresh says that they come from a server, not from a backup or bootstrap
	// data, which hold no segments.
	fresh bool
}

// A source knows the definitions that the client evaluates by.
type source interface {
	// load returns the newest definitions. now says that a copy that may be out
	// of date won't do. An error says why there are none.
	load(now bool) (*definitions, error)

	// begin is called before an evaluation by the client, and end after it. An
	// error of begin means that there is to be no evaluation.
	begin() error
	end()
}

// A lister is the source of a client that was made without a [Storage]. The
// client lists its toggles only all at once, so the lister keeps a copy for
// some time. It can't tell that the client was closed.
type lister struct {
	client *uc.Client
	every  time.Duration
	listed atomic.Pointer[listing]
	mu     sync.Mutex // held while listing
}

type listing struct {
	definitions
	at time.Time
}

func (l *lister) load(now bool) (*definitions, error) {
	known := l.listed.Load()
	if known == nil || now || time.Since(known.at) >= l.every {
		known = l.list(known, now)
	}
	if len(known.byName) == 0 {
		return nil, fmt.Errorf("%w: the client has no toggles", core.ErrNotReady)
	}
	return &known.definitions, nil
}

// list asks the client, unless somebody else does and an older copy will do.
func (l *lister) list(known *listing, now bool) *listing {
	switch {
	case l.mu.TryLock():
	case known != nil && !now:
		return known
	default:
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	if newer := l.listed.Load(); newer != known && !now {
		return newer // somebody else was faster
	}
	features := l.client.ListFeatures()
	next := &listing{at: time.Now()}
	next.byName = make(map[string]*api.Feature, len(features))
	next.fresh = true // nobody knows
	for i := range features {
		next.byName[features[i].Name] = &features[i]
	}
	if len(features) == 0 {
		next.at = time.Time{} // ask again: it costs nothing
	}
	l.listed.Store(next)
	return next
}

func (l *lister) begin() error { return nil }
func (l *lister) end()         {}

// evaluable returns f in a form that the client can evaluate without harm: given
// variants that weigh nothing in all it would write to a variable that all
// clients of the process share, and unknown toggles would then be enabled. They
// get one more, that means none.
func evaluable(f *api.Feature) *api.Feature {
	g := *f
	g.Variants = weighted(f.Variants)
	g.Strategies = slices.Clone(f.Strategies)
	for i := range g.Strategies {
		g.Strategies[i].Variants = weighted(g.Strategies[i].Variants)
	}
	return &g
}

func weighted(variants []api.VariantInternal) []api.VariantInternal {
	for i := range variants {
		if variants[i].Weight > 0 {
			return variants
		}
	}
	if len(variants) == 0 {
		return nil
	}
	return append(slices.Clip(variants), api.VariantInternal{Variant: api.Variant{Name: disabled}, Weight: 1})
}
