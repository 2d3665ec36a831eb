package memstore

import "math/bits"

// hash128 stands for an experiment and a key.
type hash128 struct{ hi, lo uint64 }

func (h hash128) less(o hash128) bool { return h.hi < o.hi || h.hi == o.hi && h.lo < o.lo }

// A slot is one entry of a [MemoryStore], in 32 bytes and without a pointer, so
// that the garbage collector has nothing to follow. The zero slot is empty.
type slot struct {
	hash hash128
	open uint64 // see packOpen

	// meta holds, from the lowest bit, for how many more passes of the clock
	// hand the entry stays (2 bits), when it was last used in milliseconds (38
	// bits, 8 years), and the id of its kind, never 0 (24 bits).
	meta uint64
}

const (
	stampShift = 2
	kindShift  = 40
	passMask   = 1<<stampShift - 1
	stampMask  = 1<<(kindShift-stampShift) - 1
	maxKinds   = 1<<(64-kindShift) - 1

	// A new entry stays for one pass of the hand, a used one for two, so that
	// those that come only once go first.
	passesNew, passesUsed = 1, 2
)

func newMeta(kind uint32, now int64, passes uint64) uint64 {
	return uint64(kind)<<kindShift | uint64(now&stampMask)<<stampShift | passes
}

func (s *slot) empty() bool    { return s.meta == 0 }
func (s *slot) kind() uint32   { return uint32(s.meta >> kindShift) }
func (s *slot) stamp() int64   { return int64(s.meta >> stampShift & stampMask) }
func (s *slot) passes() uint64 { return s.meta & passMask }

// use marks the entry as used at that time.
func (s *slot) use(now int64) {
	// Without a TTL this mostly changes nothing, and then should not make the
	// cache line dirty.
	if meta := newMeta(s.kind(), now, passesUsed); meta != s.meta {
		s.meta = meta
	}
}

// openDigits is how many digits of a core.Entry.Open fit in a slot.
const openDigits = 8

// packOpen returns a core.Entry.Open as eight bytes. It can do so with what is
// no longer and has no zero byte: every text that the core makes.
func packOpen(s string) (packed uint64, ok bool) {
	if len(s) > openDigits {
		return 0, false
	}
	for i := range len(s) {
		if s[i] == 0 {
			return 0, false
		}
		packed |= uint64(s[i]) << (8 * i)
	}
	return packed, true
}

// unpackOpen undoes packOpen. The result is a part of hint if hint begins
// with it.
func unpackOpen(packed uint64, hint string) string {
	n := (bits.Len64(packed) + 7) / 8
	if len(hint) >= n {
		if p, ok := packOpen(hint[:n]); ok && p == packed {
			return hint[:n]
		}
	}
	var b [openDigits]byte
	for i := range n {
		b[i] = byte(packed >> (8 * i))
	}
	return string(b[:n])
}

const (
	minTable = 8

	// tableTail is how many slots follow the last home, at first. Fewer than
	// one table in a million needs more when seven eighths of its homes are
	// taken.
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
	for {
		at, _ := t.find(s.hash)
		gap := at
		for !t.slots[gap].empty() {
			gap++
		}
		if gap < len(t.slots)-1 {
			copy(t.slots[at+1:gap+1], t.slots[at:gap])
			t.slots[at] = s
			t.used++
			return
		}
		t.rebuild(t.size, 2*(gap-t.size))
	}
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
// has expired, that is, was last used before oldest, or has no pass left. The
// table is not empty.
//
// The hand visits every slot, but strides: were it to go from one to the next,
// it would leave room behind, where few need it, while the slots ahead crowd.
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
	size = max(minTable, size)
	t.rebuild(size, min(size, tableTail))
}

// keep removes all slots but those that ok wants, which is asked once for each,
// and gives back the memory that they took.
func (t *table) keep(ok func(*slot) bool) {
	used := t.used
	for i := range t.slots {
		if s := &t.slots[i]; !s.empty() && !ok(s) {
			*s = slot{}
			t.used--
		}
	}
	switch {
	case t.used == 0:
		*t = table{share: t.share}
	case t.used < used:
		size := max(minTable, t.used+t.used/4)
		t.rebuild(size, min(size, tableTail))
	}
}

// rebuild moves all slots to a table of that size, more than used, and a tail
// of that length or longer.
func (t *table) rebuild(size, tail int) {
	old := t.slots
	t.size = size
	for ; ; tail *= 2 {
		t.slots = make([]slot, size+tail+1)
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
