package conformance

import (
	"context"
	"fmt"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
)

// A storeSetup is what a check of stores works with.
type storeSetup struct {
	*setup
	harness StoreHarness
	root    string // name of the test that called RunStore
}

// A handle is one store as a check uses it: in one experiment, with every error
// a problem. Goroutines may share it.
type handle struct {
	*storeSetup
	store      core.Store
	experiment string
}

// handle returns a handle of a new, empty store.
func (s *storeSetup) handle() *handle { return s.handleOf("New", s.harness.New) }

// handleOf returns a handle of the store that a hook returns.
func (s *storeSetup) handleOf(name string, hook func(t *testing.T) core.Store) *handle {
	h := &handle{storeSetup: s, experiment: s.experiment}
	s.onHarness(func(t *testing.T) { h.store = hook(t) })
	if h.store == nil {
		abortf("StoreHarness.%s returned no store", name)
	}
	return h
}

// in returns the handle for another experiment.
func (h *handle) in(experiment string) *handle {
	other := *h
	other.experiment = experiment
	return &other
}

// address returns where the data of h is.
func (h *handle) address() (address string) {
	h.onHarness(func(t *testing.T) { address = h.harness.Address(t, h.store) })
	return address
}

// another returns a second handle of the data of h.
func (h *handle) another() *handle {
	address := h.address()
	return h.handleOf("Join", func(t *testing.T) core.Store { return h.harness.Join(t, address) })
}

// whole reports whether the store keeps whole entries.
func (s *storeSetup) whole() bool { return !s.lacks(WholeEntries) }

// kept returns what the store keeps of e.
func (s *storeSetup) kept(e core.Entry) core.Entry {
	if s.whole() {
		return e
	}
	return core.Entry{Variant: e.Variant}
}

// answer calls Load. It returns false if that fails as a whole.
func (h *handle) answer(lookups []core.Lookup) bool {
	defer h.progress()
	if err := h.store.Load(context.Background(), lookups); err != nil {
		h.addf("Load of %d entries: %v", len(lookups), err)
		return false
	}
	return true
}

// load returns the current entry under key, none for an error.
func (h *handle) load(key string) (e core.Entry, ok bool) {
	l := []core.Lookup{{Experiment: h.experiment, Key: key}}
	if !h.answer(l) {
		return none, false
	}
	if l[0].Err != nil {
		h.addf("Load of %q in %s: %v", key, h.experiment, l[0].Err)
	}
	return l[0].Entry, l[0].Err == nil
}

// holds finds fault with any current entry but what the store keeps of want.
func (h *handle) holds(key string, want core.Entry) {
	if got, ok := h.load(key); ok && got != h.kept(want) {
		h.addf("Load of %q in %s returns %s, not %s", key, h.experiment, show(got), show(h.kept(want)))
	}
}

// claim calls Claim. ok is false for an error.
func (h *handle) claim(key string, old, e core.Entry) (current core.Entry, won, ok bool) {
	defer h.progress()
	current, won, err := h.store.Claim(context.Background(), h.experiment, key, old, e)
	if err != nil {
		h.addf("Claim of %q in %s: %v", key, h.experiment, err)
	}
	return current, won, err == nil
}

// wins finds fault with a claim that does not store e, or says so.
func (h *handle) wins(key string, old, e core.Entry) { h.claims(key, old, e, e, true) }

// loses finds fault with a claim that stores e, or does not return the current
// entry.
func (h *handle) loses(key string, old, e, current core.Entry) {
	h.claims(key, old, e, current, false)
	h.holds(key, current)
}

func (h *handle) claims(key string, old, e, current core.Entry, wins bool) {
	got, won, ok := h.claim(key, old, e)
	if ok && (won != wins || h.kept(got) != h.kept(current)) {
		h.addf("Claim of %q in %s for %s over %s returns %s and won %v, not %s and won %v",
			key, h.experiment, show(e), show(old), show(got), won, show(current), wins)
	}
}

// put stores e under key by Save.
func (h *handle) put(key string, e core.Entry) {
	defer h.progress()
	if err := h.store.Save(context.Background(), h.experiment, key, e); err != nil {
		h.addf("Save of %q in %s: %v", key, h.experiment, err)
	}
}

func (h *handle) delete(keys ...string) {
	defer h.progress()
	if err := h.store.Delete(context.Background(), h.experiment, keys...); err != nil {
		h.addf("Delete of %q in %s: %v", keys, h.experiment, err)
	}
}

func (h *handle) clear() {
	defer h.progress()
	if err := h.store.Clear(context.Background(), h.experiment); err != nil {
		h.addf("Clear of %s: %v", h.experiment, err)
	}
}

// increment calls Increment. ok is false for an error.
func (h *handle) increment(name string, by int64) (n int64, ok bool) {
	defer h.progress()
	c, ok := h.store.(core.Counter)
	if !ok {
		abortf("the store, a %T, is no core.Counter", h.store)
	}
	n, err := c.Increment(context.Background(), h.experiment, name, by)
	if err != nil {
		h.addf("Increment of %q in %s: %v", name, h.experiment, err)
	}
	return n, err == nil
}

// counts finds fault with an increment that does not lead to that count.
func (h *handle) counts(name string, by, want int64) {
	if got, ok := h.increment(name, by); ok && got != want {
		h.addf("Increment of %q in %s by %d returns %d, not %d", name, h.experiment, by, got, want)
	}
}

// show returns e in words, for messages.
func show(e core.Entry) string {
	if e == none {
		return "no entry"
	}
	text := fmt.Sprintf("%q %s", e.Variant, e.Origin)
	if e.Open != "" {
		text += fmt.Sprintf(" open under %q", e.Open)
	}
	if e.Previous != "" {
		text += fmt.Sprintf(" after %q", e.Previous)
	}
	return text
}

// Entries that checks use. Any store can keep them.
var (
	none       core.Entry // what is absent
	redEntry   = resolved("red")
	blueEntry  = core.Entry{Variant: "blue", Origin: core.SourceSegmented}
	greenEntry = core.Entry{Variant: "green", Origin: core.SourceForced}
)

func resolved(variant string) core.Entry {
	return core.Entry{Variant: variant, Origin: core.SourceResolved}
}

// ramped returns what an open control becomes.
func ramped(variant string) core.Entry {
	return core.Entry{Variant: variant, Previous: core.Control, Origin: core.SourceResolved}
}

// openEntry returns an open control of the unit with that key.
func openEntry(key string) core.Entry {
	return core.Entry{Variant: core.Control, Origin: core.SourceResolved, Open: key[:8]}
}

// storable returns every kind of entry that the core makes and this store
// keeps.
func (s *storeSetup) storable() []core.Entry {
	all := []core.Entry{{Variant: "red"}, {Variant: core.Control}, ramped(core.Candidate), ramped("red"), ramped("blue")}
	for _, origin := range []core.Source{core.SourceManual, core.SourceForced, core.SourceSegmented, core.SourceResolved} {
		for _, variant := range []string{core.Control, core.Candidate, "red"} {
			all = append(all, core.Entry{Variant: variant, Origin: origin})
		}
	}
	if s.whole() {
		all = append(all, openEntry(unitKey("open", 0)), core.Entry{Variant: core.Control, Origin: core.SourceExcluded})
	}
	return all
}
