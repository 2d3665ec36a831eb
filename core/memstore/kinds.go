package memstore

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rolloutkit/rolloutkit/core"
)

// A kind is what entries of one experiment share: all of an [core.Entry] but an
// Open that fits in the slot. An experiment has a few, however many units.
type kind struct {
	experiment string
	entry      core.Entry
}

// A countedKind is a kind and how many entries are of it.
type countedKind struct {
	kind
	refs atomic.Int64
}

// kinds gives each kind in use an id. A kind that the last entry leaves is
// forgotten and its id given again, so there are never more than entries.
type kinds struct {
	limit uint32 // the highest id

	mu   sync.RWMutex
	ids  map[kind]uint32
	free []uint32

	// list is by id. It is read without mu: who has an entry of a kind, under
	// the lock of its shard, knows that neither will change.
	list atomic.Pointer[[]*countedKind]
}

func (k *kinds) init(limit uint32) {
	k.limit = limit
	k.ids = make(map[kind]uint32)
	k.list.Store(&[]*countedKind{nil}) // 0 is no id
}

// at returns the kind of that id, for someone who holds an entry of it.
func (k *kinds) at(id uint32) *countedKind { return (*k.list.Load())[id] }

// acquire returns the id of a kind, for one more entry.
func (k *kinds) acquire(experiment string, e core.Entry) (uint32, error) {
	wanted := kind{experiment, e}
	k.mu.RLock()
	id, ok := k.ids[wanted]
	if ok {
		k.at(id).refs.Add(1)
	}
	k.mu.RUnlock()
	if ok {
		return id, nil
	}

	k.mu.Lock()
	defer k.mu.Unlock()
	if id, ok := k.ids[wanted]; ok {
		k.at(id).refs.Add(1)
		return id, nil
	}
	// The names may be parts of something large that should not be kept.
	for _, s := range []*string{&wanted.experiment, &wanted.entry.Variant, &wanted.entry.Previous, &wanted.entry.Open} {
		*s = strings.Clone(*s)
	}
	c := &countedKind{kind: wanted}
	c.refs.Store(1)
	list := *k.list.Load()
	switch n := len(k.free); {
	case n > 0:
		id, k.free = k.free[n-1], k.free[:n-1]
		list[id] = c
	case len(list) <= int(k.limit):
		id, list = uint32(len(list)), append(list, c)
		k.list.Store(&list)
	default:
		return 0, fmt.Errorf("memstore: experiment %s: the memory store holds %d entries that differ in more than the key, and no more fit",
			experiment, k.limit)
	}
	k.ids[wanted] = id
	return id, nil
}

// release says that an entry of the kind is gone.
func (k *kinds) release(id uint32) {
	c := k.at(id)
	if c.refs.Add(-1) > 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	// Another may have acquired it since, or acquired and released it.
	if list := *k.list.Load(); c.refs.Load() == 0 && list[id] == c {
		delete(k.ids, c.kind)
		list[id] = nil
		k.free = append(k.free, id)
	}
}
