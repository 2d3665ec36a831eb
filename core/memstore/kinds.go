package memstore

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rolloutkit/rolloutkit/core"
)

// A kind is what entries of one experiment share: all but their Open, which is
// empty here. An experiment has a few, however many units.
type kind struct {
	experiment string
	entry      core.Entry
}

// kinds gives each kind an id, never 0. None is forgotten: there are as many as
// the app has names for, and the core bounds those.
type kinds struct {
	list atomic.Pointer[[]kind] // by id, for readers; mu guards the writers

	mu  sync.RWMutex
	ids map[kind]uint32
}

func (k *kinds) init() {
	k.ids = make(map[kind]uint32)
	k.list.Store(&[]kind{{}})
}

// at returns the kind of that id.
func (k *kinds) at(id uint32) *kind { return &(*k.list.Load())[id] }

// id returns the id of the kind that e is of.
func (k *kinds) id(experiment string, e core.Entry) (uint32, error) {
	e.Open = ""
	k.mu.RLock()
	id, ok := k.ids[kind{experiment, e}]
	k.mu.RUnlock()
	if ok {
		return id, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if id, ok := k.ids[kind{experiment, e}]; ok {
		return id, nil
	}
	list := *k.list.Load()
	if len(list) > maxKinds {
		return 0, fmt.Errorf("memstore: experiment %s: %d kinds of entries are too many", experiment, len(list))
	}
	// The names may be parts of something large that should not be kept.
	added := kind{strings.Clone(experiment), core.Entry{
		Variant:  strings.Clone(e.Variant),
		Previous: strings.Clone(e.Previous),
		Origin:   core.Source(strings.Clone(string(e.Origin))),
	}}
	id = uint32(len(list))
	list = append(list, added)
	k.ids[added] = id
	k.list.Store(&list)
	return id, nil
}
