package redisstore

// Checked waits until the check at the start is over, and whatever else the
// store does in the background.
func (s *Store) Checked() { s.tasks.Wait() }
