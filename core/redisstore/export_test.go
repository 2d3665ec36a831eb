package redisstore

// WaitIdle waits until the check at the start is over, and whatever else the
// store does in the background.
func (s *Store) WaitIdle() { s.trips.running.Wait() }

// Waiting returns how many operations wait for a trip.
func (s *Store) Waiting() (n int) {
	s.trips.mu.Lock()
	defer s.trips.mu.Unlock()
	for _, b := range s.trips.waiting {
		n += b.callers
	}
	return n
}
