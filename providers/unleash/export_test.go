package unleash

import "github.com/Unleash/unleash-client-go/v4/api"

// Known returns the definition of a toggle that rollouts evaluate by, nil for
// none.
func (s *Storage) Known(name string) *api.Feature {
	if known := s.known.Load(); known != nil {
		return known.byName[name]
	}
	return nil
}
