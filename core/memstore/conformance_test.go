package memstore_test

import (
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

func TestConformance(t *testing.T) {
	conformance.RunStore(t, conformance.StoreHarness{
		Name: "memory",
		New:  func(*testing.T) core.Store { return memstore.New(nil) },
		Expiring: func(*testing.T) (core.Store, time.Duration, func(time.Duration)) {
			ttl := 200 * time.Millisecond
			return memstore.New(&memstore.Options{TTL: ttl}), ttl, time.Sleep
		},
		Unsupported: map[core.Capability]string{
			conformance.Shares:           "the entries are in the memory of one process",
			conformance.Unreadable:       "nobody else writes to that memory",
			conformance.ConcurrentWrites: "each step holds the lock of its entry, and no hook stops between two",
			conformance.DoesIO:           "it does no I/O",
		},
	})
}
