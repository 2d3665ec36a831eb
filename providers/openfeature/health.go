package openfeature

import (
	"errors"
	"sync"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/rolloutkit/rolloutkit/core"
)

// The health of a Provider is what its evaluations met, by experiment. It makes
// the provider's events.
type health struct {
	events chan of.Event

	mu   sync.RWMutex
	seen map[string]condition
	sick int // experiments whose last evaluation met a failure
}

// A condition is what the last evaluation of an experiment met.
type condition struct {
	known bool // whether state is
	state core.State
	sick  bool
}

// eventBuffer holds what the SDK has yet to read. When it is full, the oldest
// event goes, so that the newest state arrives.
const eventBuffer = 64

func newHealth() health {
	return health{events: make(chan of.Event, eventBuffer), seen: map[string]condition{}}
}

// note compares an assignment with what was there before.
func (h *health) note(a *core.Assignment) {
	switch a.Source {
	case core.SourceOptedOut, core.SourceNoUnit:
		return // nobody was asked
	}
	failed := rolloutFailed(a)
	h.mu.RLock()
	old := h.seen[a.Experiment]
	h.mu.RUnlock()
	now := condition{known: true, state: a.State, sick: a.Degraded || failed && outage(a.Err)}
	if failed {
		now.known, now.state = old.known, old.state
	}
	if now != old {
		h.change(a.Experiment, now)
	}
}

// rolloutFailed reports whether the state is unknown, although a stored variant
// may be served.
func rolloutFailed(a *core.Assignment) bool {
	var failure *core.RolloutError
	return errors.As(a.Err, &failure)
}

// outage reports whether a failed rollout says something of the flag system as a
// whole. An absent flag and a wrong variant are about the one experiment.
func outage(err error) bool {
	return !errors.Is(err, core.ErrFlagNotFound) && !errors.Is(err, core.ErrUnknownVariant)
}

func (h *health) change(experiment string, now condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.seen[experiment]
	h.seen[experiment] = now
	switch {
	case now.sick && !old.sick:
		if h.sick++; h.sick == 1 {
			h.emit(of.ProviderStale, of.ProviderEventDetails{Message: "the store or the flag system fails, first for experiment " + experiment})
		}
	case !now.sick && old.sick:
		if h.sick--; h.sick == 0 {
			h.emit(of.ProviderReady, of.ProviderEventDetails{Message: "the store and the flag system work again"})
		}
	}
	if old.known && now.state != old.state {
		h.emit(of.ProviderConfigChange, of.ProviderEventDetails{
			Message:     "experiment " + experiment + " was " + old.state.String() + " and is " + now.state.String(),
			FlagChanges: []string{experiment},
		})
	}
}

// emit never blocks: nobody may be listening.
func (h *health) emit(kind of.EventType, details of.ProviderEventDetails) {
	event := of.Event{ProviderName: ProviderName, EventType: kind, ProviderEventDetails: details}
	for {
		select {
		case h.events <- event:
			return
		default:
		}
		select {
		case <-h.events:
		default:
		}
	}
}
