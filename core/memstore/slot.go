package memstore

// hash128 identifies an experiment and a key.
type hash128 struct{ hi, lo uint64 }

func (h hash128) less(o hash128) bool { return h.hi < o.hi || h.hi == o.hi && h.lo < o.lo }

// A slot is one entry, in 32 bytes and without a pointer, so that the garbage
// collector has nothing to follow. The zero slot is empty.
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

// maxOpen is how long a core.Entry.Open can be, in bytes.
const maxOpen = 8

// packOpen returns an Open as eight bytes, 0 for the empty one. It can do so
// with what is no longer and has no zero byte: all that the core makes.
func packOpen(open string) (packed uint64, ok bool) {
	if len(open) > maxOpen {
		return 0, false
	}
	for i := range len(open) {
		if open[i] == 0 {
			return 0, false
		}
		packed |= uint64(open[i]) << (8 * i)
	}
	return packed, true
}

// unpackOpen undoes packOpen. The result is hint if that is the same text.
func unpackOpen(packed uint64, hint string) string {
	if p, ok := packOpen(hint); ok && p == packed {
		return hint
	}
	var b [maxOpen]byte
	n := 0
	for ; packed != 0; n++ {
		b[n], packed = byte(packed), packed>>8
	}
	return string(b[:n])
}
