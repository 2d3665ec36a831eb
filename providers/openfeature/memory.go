package openfeature

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/rolloutkit/rolloutkit/core"
)

// A memory keeps what flags said when they were last plain, for answers that
// come from a provider's cache, or without a reason. Reading it takes no lock,
// since every evaluation does. It holds one entry per flag that says the same to
// everybody, and changes when a flag does.
type memory struct {
	mu    sync.Mutex
	flags atomic.Pointer[map[string]settled]
}

// decide is the func decide with what is remembered, and remembers.
func (m *memory) decide(q *question, a *answer, d *core.Decision) error {
	var last settled
	if flags := m.flags.Load(); flags != nil {
		last = (*flags)[q.flag]
	}
	now := last
	err := decide(q, a, &now, d)
	if now != last {
		m.note(q.flag, now)
	}
	return err
}

func (m *memory) note(flag string, now settled) {
	m.mu.Lock()
	defer m.mu.Unlock()
	flags := map[string]settled{}
	if old := m.flags.Load(); old != nil {
		flags = maps.Clone(*old)
	}
	if now.known {
		flags[flag] = now
	} else {
		delete(flags, flag)
	}
	m.flags.Store(&flags)
}
