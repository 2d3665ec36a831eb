package conformance

import (
	"context"
	"fmt"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
)

// A storeSetup is what a check works with: stores of the harness and a name.
type storeSetup struct {
	*watched
	harness    *StoreHarness
	experiment string // one that no other law uses
	root       string // name of the test that called RunStore
	t          tester // for the harness's hooks alone
}

// handle returns a handle of a new, empty store.
func (s *storeSetup) handle(f *faults) *handle {
	var st core.Store
	s.onTest(func() { st = s.harness.New(s.t.hooks()) })
	return s.over(st, "New", f)
}

// over returns a handle of st, which a hook returned.
func (s *storeSetup) over(st core.Store, hook string, f *faults) *handle {
	if st == nil {
		abortf("StoreHarness.%s returned no store", hook)
	}
	return &handle{storeSetup: s, store: st, f: f}
}

// address returns where the data of h is.
func (s *storeSetup) address(h *handle) (address string) {
	s.onTest(func() { address = s.harness.Address(s.t.hooks(), h.store) })
	return address
}

// another returns a second handle of the data of h.
func (s *storeSetup) another(h *handle) *handle {
	address := s.address(h)
	var st core.Store
	s.onTest(func() { st = s.harness.Join(s.t.hooks(), address) })
	return s.over(st, "Join", h.f)
}

// whole reports whether the store keeps whole entries.
func (s *storeSetup) whole() bool { return !s.harness.lacks(WholeEntries) }

// kept returns what the store keeps of e.
func (s *storeSetup) kept(e core.Entry) core.Entry {
	if s.whole() {
		return e
	}
	return core.Entry{Variant: e.Variant, Final: true}
}

// A handle is one store as a check uses it. Errors, and what else is never
// right, become faults. A handle is for one goroutine; see on.
type handle struct {
	*storeSetup
	store core.Store
	f     *faults
}

// on returns the handle for another goroutine, or for another list of faults.
func (h *handle) on(f *faults) *handle {
	other := *h
	other.f = f
	return &other
}

// load calls Load, and checks what goes for every Load.
func (h *handle) load(experiment, key string, older ...string) core.Loaded {
	defer h.progress()
	var l core.Loaded
	l.Entry, l.Others, l.OK, l.Err = h.store.Load(context.Background(), experiment, key, older)
	if l.Err != nil {
		h.f.addf("Load of %q in %s: %v", key, experiment, l.Err)
	}
	return l
}

// holds checks that Load of key returns what the store keeps of want.
func (h *handle) holds(experiment, key string, want core.Entry) {
	want = h.kept(want)
	switch l := h.load(experiment, key); {
	case l.Err != nil:
	case !l.OK:
		h.f.addf("Load of %q in %s finds nothing; it should find %s", key, experiment, show(want))
	case l.Entry != want:
		h.f.addf("Load of %q in %s returns %s instead of %s", key, experiment, show(l.Entry), show(want))
	case l.Others != nil:
		h.f.addf("Load of %q in %s with no older keys returns the others %q", key, experiment, l.Others)
	}
}

// lacks checks that there is no entry under key.
func (h *handle) lacks(experiment, key string) {
	if l := h.load(experiment, key); l.Err == nil && l.OK {
		h.f.addf("Load of %q in %s returns %s; there should be nothing", key, experiment, show(l.Entry))
	}
}

// claim calls Claim. ok is false for an error.
func (h *handle) claim(experiment, key string, old, e core.Entry) (stands core.Entry, ok bool) {
	defer h.progress()
	stands, err := h.store.Claim(context.Background(), experiment, key, old, e)
	if err != nil {
		h.f.addf("Claim of %q in %s: %v", key, experiment, err)
	}
	return stands, err == nil
}

// wins checks that a claim stores e and says so.
func (h *handle) wins(experiment, key string, old, e core.Entry) {
	if stands, ok := h.claim(experiment, key, old, e); ok && stands != e {
		h.f.addf("Claim of %q in %s for %s over %s returns %s; it should store and return its own",
			key, experiment, show(e), show(old), show(stands))
	}
}

// loses checks that a claim stores nothing and returns what stands.
func (h *handle) loses(experiment, key string, old, e, stands core.Entry) {
	stands = h.kept(stands)
	if got, ok := h.claim(experiment, key, old, e); ok && got != stands {
		h.f.addf("Claim of %q in %s for %s over %s returns %s; %s stands",
			key, experiment, show(e), show(old), show(got), show(stands))
	}
	h.holds(experiment, key, stands)
}

// put stores e under key, whatever stands there, by Save.
func (h *handle) put(experiment, key string, e core.Entry) {
	defer h.progress()
	if err := h.store.Save(context.Background(), experiment, key, e); err != nil {
		h.f.addf("Save of %q in %s: %v", key, experiment, err)
	}
}

func (h *handle) delete(experiment string, keys ...string) {
	defer h.progress()
	if err := h.store.Delete(context.Background(), experiment, keys...); err != nil {
		h.f.addf("Delete of %q in %s: %v", keys, experiment, err)
	}
}

func (h *handle) clear(experiment string) {
	defer h.progress()
	if err := h.store.Clear(context.Background(), experiment); err != nil {
		h.f.addf("Clear of %s: %v", experiment, err)
	}
}

// counts checks that an increment leads to that count.
func (h *handle) counts(experiment, name string, by, want int64) {
	if got, ok := h.increment(experiment, name, by); ok && got != want {
		h.f.addf("Increment of %q in %s by %d returns %d instead of %d", name, experiment, by, got, want)
	}
}

func (h *handle) increment(experiment, name string, by int64) (n int64, ok bool) {
	defer h.progress()
	c, ok := h.store.(core.Counter)
	if !ok {
		abortf("the store, a %T, is no core.Counter", h.store)
	}
	n, err := c.Increment(context.Background(), experiment, name, by)
	if err != nil {
		h.f.addf("Increment of %q in %s: %v", name, experiment, err)
	}
	return n, err == nil
}

func (h *handle) batch(ctx context.Context, lookups []core.Lookup) []core.Loaded {
	defer h.progress()
	b, ok := h.store.(core.BatchLoader)
	if !ok {
		abortf("the store, a %T, is no core.BatchLoader", h.store)
	}
	return b.LoadBatch(ctx, lookups)
}

// same reports whether two results of Load say the same. Errors are compared by
// whether there is one.
func same(a, b core.Loaded) bool {
	return a.Entry == b.Entry && slices.Equal(a.Others, b.Others) && a.OK == b.OK && (a.Err == nil) == (b.Err == nil)
}

// show returns e in words, for messages.
func show(e core.Entry) string {
	if e == (core.Entry{}) {
		return "no entry"
	}
	text := fmt.Sprintf("%q", e.Variant)
	if e.Origin != 0 {
		text += " " + e.Origin.String()
	}
	if !e.Final {
		text += " open"
	}
	if e.Under != "" {
		text += fmt.Sprintf(" under %q", e.Under)
	}
	if e.Previous != "" {
		text += fmt.Sprintf(" after %q", e.Previous)
	}
	return text
}

// Entries that checks use. Any store can keep them.
var (
	redEntry   = core.Entry{Variant: "red", Origin: core.SourceResolved, Final: true}
	blueEntry  = core.Entry{Variant: "blue", Origin: core.SourceSegmented, Final: true}
	greenEntry = core.Entry{Variant: "green", Origin: core.SourceForced, Final: true}
)

// openEntry returns an open control of the unit with that key.
func openEntry(key string) core.Entry {
	return core.Entry{Variant: core.Control, Origin: core.SourceResolved, Under: key[:8]}
}

// storable returns every kind of entry that the core makes and this store
// keeps.
func (s *storeSetup) storable(key string) []core.Entry {
	var all []core.Entry
	for _, origin := range []core.Source{core.SourceManual, core.SourceForced, core.SourceSegmented, core.SourceResolved} {
		for _, variant := range []string{core.Control, core.Candidate, "red"} {
			all = append(all, core.Entry{Variant: variant, Origin: origin, Final: true})
		}
	}
	for _, variant := range []string{core.Candidate, "red", "blue"} {
		all = append(all, core.Entry{Variant: variant, Previous: core.Control, Origin: core.SourceResolved, Final: true})
	}
	if s.whole() {
		all = append(all, openEntry(key), core.Entry{Variant: core.Control, Origin: core.SourceExcluded, Final: true})
	}
	return append(all, core.Entry{Variant: "red", Final: true}, core.Entry{Variant: core.Control, Final: true})
}
