package redisstore

import "sync/atomic"

// Stats counts what a [Store] did otherwise than by asking Redis, and why. All
// but the last two only grow.
type Stats struct {
	Failures   uint64 // commands that ended with an error: connection, server or refusal
	Timeouts   uint64 // operations given up when their time was spent
	Rejected   uint64 // operations that did not ask Redis, since a circuit was open
	StaleReads uint64 // reads answered from memory because Redis did not answer
	LocalHits  uint64 // reads answered from memory within LocalTTL
	Unreadable uint64 // values that are no assignments, keys of a wrong type included
	NotRenewed uint64 // renewals of a TTL left for the next read
	Opened     uint64 // times that a circuit opened
	Probes     uint64 // probes of open circuits

	OpenCircuits int // now
	Cached       int // assignments remembered
}

type counters struct {
	failures, timeouts, rejected, staleReads, localHits, unreadable, notRenewed, opened, probes atomic.Uint64
}

// Stats returns the counts so far.
func (s *Store) Stats() Stats {
	c := &s.stats
	return Stats{
		Failures: c.failures.Load(), Timeouts: c.timeouts.Load(), Rejected: c.rejected.Load(),
		StaleReads: c.staleReads.Load(), LocalHits: c.localHits.Load(), Unreadable: c.unreadable.Load(),
		NotRenewed: c.notRenewed.Load(), Opened: c.opened.Load(), Probes: c.probes.Load(),
		OpenCircuits: s.breaker.openCircuits(), Cached: s.cache.len(),
	}
}
