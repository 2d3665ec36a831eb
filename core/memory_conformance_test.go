package core_test

import (
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
)

func TestMemoryStoreConforms(t *testing.T) {
	conformance.RunStore(t, conformance.StoreHarness{
		Name: "memory",
		New:  func(*testing.T) core.Store { return core.NewMemoryStore(nil) },
		Expiring: func(*testing.T) (core.Store, time.Duration, func(time.Duration)) {
			ttl := 200 * time.Millisecond
			return core.NewMemoryStore(&core.MemoryOptions{TTL: ttl}), ttl, time.Sleep
		},
		Unsupported: map[core.Capability]string{
			conformance.Shares:       "the entries are in the memory of one process",
			conformance.HoldsGarbage: "nobody else writes to that memory",
			conformance.Interleaves:  "each step holds the lock of its entry, and no hook stops between two",
			conformance.Remote:       "it does no I/O",
		},
	})
}
