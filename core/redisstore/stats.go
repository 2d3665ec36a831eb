package redisstore

import "sync/atomic"

// Stats counts what a [Store] did otherwise than by asking Redis, and why. All
// but the last four only grow.
type Stats struct {
	Failures   uint64 // commands that ended with an error: connection, server or refusal
	Timeouts   uint64 // operations given up when their budget was spent
	Busy       uint64 // operations not begun because MaxInFlight commands were under way
	Rejected   uint64 // operations that did not ask Redis, since a circuit was open
	LastKnown  uint64 // reads answered from memory because Redis did not answer
	NearHits   uint64 // reads answered from memory within NearTTL
	Unreadable uint64 // values that are no assignments, keys of a wrong type included
	NotCopied  uint64 // entries of older keys that were served but not copied
	NotRenewed uint64 // renewals of a TTL left for the next read
	Opened     uint64 // times that a circuit opened
	Probes     uint64 // probes of open circuits

	Open     int // circuits open now
	InFlight int // workers now, idle ones included
	GivenUp  int // commands that nobody waits for but the client
	Cached   int // assignments remembered
}

type counters struct {
	failures, timeouts, busy, rejected, lastKnown, nearHits, unreadable atomic.Uint64
	notCopied, notRenewed, opened, probes                               atomic.Uint64
}

// Stats returns the counts so far.
func (s *Store) Stats() Stats {
	c := &s.stats
	return Stats{
		Failures: c.failures.Load(), Timeouts: c.timeouts.Load(), Busy: c.busy.Load(), Rejected: c.rejected.Load(),
		LastKnown: c.lastKnown.Load(), NearHits: c.nearHits.Load(), Unreadable: c.unreadable.Load(),
		NotCopied: c.notCopied.Load(), NotRenewed: c.notRenewed.Load(), Opened: c.opened.Load(),
		Probes: c.probes.Load(),
		Open:   s.breaker.anyOpen(), InFlight: int(s.run.workers.Load()),
		GivenUp: int(s.run.abandoned.Load()), Cached: s.cache.len(),
	}
}
