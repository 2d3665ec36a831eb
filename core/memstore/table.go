package memstore

import "math/bits"

const (
	minTable = 8

	// tableTail is how many slots follow the last home, in a table that has
	// twice as many homes. Fewer than one table in a million needs more when
	// seven eighths of its homes are taken.
	tableTail = 64
)

// A table holds slots by their hash, with open addressing and linear probing.
// A home is the high half of the hash scaled to size, so homes ascend with the
// hashes, and slots are kept in that order, with gaps. So neither a present nor
// an absent key is looked for beyond its place, and rebuilding is one pass.
// Nothing wraps around: behind the last home is a tail, and behind the tail one
// slot that is always empty.
type table struct {
	slots  []slot
	size   int // homes; 0 for a table that never held anything
	used   int
	hand   int // of the clock
	stride int // from one slot that the hand visits to the next
	share  int // how many the table will hold when the store is full, about
}

func (t *table) home(h hash128) int {
	i, _ := bits.Mul64(h.hi, uint64(t.size))
	return int(i)
}

// find returns where h is, or, ok false, belongs.
func (t *table) find(h hash128) (i int, ok bool) {
	if t.size == 0 {
		return 0, false
	}
	for i = t.home(h); ; i++ {
		if s := &t.slots[i]; s.empty() || !s.hash.less(h) {
			return i, !s.empty() && s.hash == h
		}
	}
}

// insert adds s, whose hash is not in the table.
func (t *table) insert(s slot) {
	if 8*(t.used+1) > 7*t.size {
		t.grow()
	}
	at, _ := t.find(s.hash)
	gap := at
	for !t.slots[gap].empty() {
		gap++
	}
	if gap == len(t.slots)-1 { // no room left in the tail
		t.grow()
		t.insert(s)
		return
	}
	copy(t.slots[at+1:gap+1], t.slots[at:gap])
	t.slots[at] = s
	t.used++
}

// remove empties the slot at i and moves back those behind it that are not at
// home.
func (t *table) remove(i int) {
	end := i + 1
	for !t.slots[end].empty() && t.home(t.slots[end].hash) < end {
		end++
	}
	copy(t.slots[i:end-1], t.slots[i+1:end])
	t.slots[end-1] = slot{}
	t.used--
}

// victim returns where the entry to go is: the next one from the hand on that
// was last used before oldest, and so has expired, or that has no pass left.
// The table is not empty.
//
// Stepping by one would empty slots behind the hand and crowd those ahead; a
// step of the golden ratio spreads evictions. It visits every slot.
func (t *table) victim(oldest int64) int {
	for {
		i := t.hand
		t.hand = (i + t.stride) % len(t.slots)
		switch s := &t.slots[i]; {
		case s.empty():
		case s.passes() == 0 || s.stamp() < oldest:
			return i
		default:
			s.meta--
		}
	}
}

// strideFor returns a number without a common factor with n, close to the
// golden section of n, which spreads the visits most evenly (Knuth, The Art of
// Computer Programming, volume 3, section 6.4, theorem S).
func strideFor(n int) int {
	for s := int(float64(n) * 0.6180339887498949); ; s++ {
		a, b := s, n
		for b != 0 {
			a, b = b, a%b
		}
		if a == 1 {
			return s
		}
	}
}

// grow makes room: twice as much until the share fits with five sixths of the
// homes taken, then a quarter more.
func (t *table) grow() {
	size := 2 * t.size
	if full := t.share + t.share/5; t.size >= full {
		size = t.size + t.size/4
	} else {
		size = min(size, full)
	}
	t.rebuild(size)
}

// drop removes the slots that match, gives back the memory that they took, and
// returns how many they were.
func (t *table) drop(match func(*slot) bool) int {
	before := t.used
	for i := range t.slots {
		if s := &t.slots[i]; !s.empty() && match(s) {
			*s = slot{}
			t.used--
		}
	}
	switch {
	case t.used == 0:
		*t = table{share: t.share}
	case t.used < before:
		t.rebuild(t.used + t.used/4)
	}
	return before - t.used
}

// rebuild moves all slots to a table of that size, or a larger one.
func (t *table) rebuild(size int) {
	old := t.slots
	for t.size = max(minTable, size); ; t.size += t.size / 4 {
		t.slots = make([]slot, t.size+min(t.size/2, tableTail)+1)
		if t.fill(old) {
			break
		}
	}
	t.hand, t.stride = 0, strideFor(len(t.slots))
}

// fill puts the slots of old, which are in order, into the empty table. It
// returns false if the tail is too short.
func (t *table) fill(old []slot) bool {
	next := 0
	for i := range old {
		s := &old[i]
		if s.empty() {
			continue
		}
		at := max(next, t.home(s.hash))
		if at == len(t.slots)-1 {
			return false
		}
		t.slots[at] = *s
		next = at + 1
	}
	return true
}
