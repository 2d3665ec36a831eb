package openfeature

import (
	"sync"

	"github.com/rolloutkit/rolloutkit/core"
)

// A lastState is what a flag said when it last was plain that it says the same
// to everybody: Off, or On with the variant. Without a variant nothing is known.
type lastState struct {
	state   core.State
	variant string
}

// A memory keeps the lastState of each flag that ever had one, for answers that
// come from a provider's cache, or without a reason.
type memory struct {
	flags sync.Map // of lastState, by flag
}

// decide is the func decide with what is remembered, and remembers.
func (m *memory) decide(q *question, a *answer, d *core.Decision) error {
	found, _ := m.flags.Load(q.flag)
	last, _ := found.(lastState)
	now := last
	err := decide(q, a, &now, d)
	if now != last {
		m.flags.Store(q.flag, now)
	}
	return err
}
