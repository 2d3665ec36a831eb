package redisstore

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

const (
	headField  = "."  // of every bucket; fields of assignments have 16 bytes
	stampBytes = 4    // the head begins with a time
	nameMark   = '\n' // precedes each name in the head

	fieldBytes = 16
	underMark  = '!' // precedes Entry.Under of an open control, in binary
	underBytes = 4
	underHex   = 2 * underBytes

	kinds        = 8
	firstCode    = 10000 // of names in the head, so that each has five digits
	codeDigits   = 5
	nameHashes   = 2846 // the last code is 32767, the last that takes three bytes
	maxHead      = 64   // bytes; above hash-max-listpack-value a hash grows fivefold
	literalMark  = '='
	literalOpen  = "open"
	literalFinal = "final"
)

// fixedNames have codes that need no name in a head.
var fixedNames = [...]string{core.Control, core.Candidate}

// What a code says beside the name: how the entry began. All are final.
const (
	kindResolved uint8 = iota
	kindSegmented
	kindManual
	kindForced
	kindExcluded
	kindRamped  // resolved, after a ramp moved the unit out of control
	kindUnknown // nobody knows how it began
	kindReserved
)

var kindOrigins = [kinds]core.Source{
	kindResolved:  core.SourceResolved,
	kindSegmented: core.SourceSegmented,
	kindManual:    core.SourceManual,
	kindForced:    core.SourceForced,
	kindExcluded:  core.SourceExcluded,
	kindRamped:    core.SourceResolved,
}

// A place says where the assignment of one unit lies.
type place struct {
	key   string // of the hash
	field string // in it
	id    [fieldBytes]byte
}

// place returns where the assignment of key lies. It hashes whatever the key
// is: keys that other schemes make may share prefixes.
func (s *Store) place(experiment, key string) place {
	var room [256]byte
	b := append(room[:0], experiment...)
	b = append(b, 0)
	b = append(b, key...)
	sum := sha256.Sum256(b)
	var p place
	copy(p.id[:], sum[:])
	if s.opts.Layout == GLEXLayout {
		p.key, p.field = experiment, key
		return p
	}
	bits := s.opts.bucketBits(experiment)
	at := uint32(sum[fieldBytes])<<16 | uint32(sum[fieldBytes+1])<<8 | uint32(sum[fieldBytes+2])
	p.key = s.bucketKey(experiment, bits, at>>(maxBucketBits-bits))
	p.field = string(sum[:fieldBytes])
	return p
}

// bucketKey returns the Redis key of a bucket.
func (s *Store) bucketKey(experiment string, bits int, bucket uint32) string {
	var room [160]byte
	b := append(room[:0], s.opts.Prefix...)
	b = append(b, experiment...)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(bits), 10)
	b = append(b, ':')
	const digits = "0123456789abcdef"
	for shift := (bits+3)/4*4 - 4; shift >= 0; shift -= 4 {
		b = append(b, digits[bucket>>shift&15])
	}
	return string(b)
}

// counterKey returns the Redis key of an experiment's counters.
func (s *Store) counterKey(experiment string) string {
	if s.opts.Layout == GLEXLayout {
		return experiment + "_attrs"
	}
	return s.opts.Prefix + experiment + ":n"
}

// A form is an entry ready to be stored: as coded where there is no name or
// where the head of the bucket has it or has room for it, in full as literal
// otherwise. coded is never empty.
type form struct{ coded, literal, name string }

// encode returns the form of e.
func encode(e core.Entry) form {
	if e.Variant == core.Control && e.Previous == "" && e.Origin == core.SourceResolved && !e.Final {
		if under, ok := packUnder(e.Under); ok {
			return form{coded: under}
		}
	}
	kind := kindOf(e)
	if kind != kindReserved {
		for i, name := range fixedNames {
			if e.Variant == name {
				return form{coded: strconv.Itoa(i*kinds + int(kind))}
			}
		}
		if len(e.Variant) < maxHead-stampBytes && strings.IndexByte(e.Variant, nameMark) < 0 {
			code := firstCode + known.hash(e.Variant)*kinds + int(kind)
			return form{coded: strconv.Itoa(code), literal: literal(e), name: e.Variant}
		}
	}
	return form{coded: literal(e)}
}

// kindOf returns the kind of a final entry, kindReserved where none fits.
func kindOf(e core.Entry) uint8 {
	switch {
	case !e.Final || e.Under != "":
		return kindReserved
	case e.Previous == core.Control && e.Origin == core.SourceResolved:
		return kindRamped
	case e.Previous != "":
		return kindReserved
	case e.Origin == 0:
		return kindUnknown
	}
	for kind, origin := range kindOrigins[:kindRamped] {
		if e.Origin == origin {
			return uint8(kind)
		}
	}
	return kindReserved
}

func packUnder(under string) (string, bool) {
	if len(under) != underHex || strings.ToLower(under) != under {
		return "", false
	}
	b, err := hex.DecodeString(under)
	return string(underMark) + string(b), err == nil
}

// literal writes e in full.
func literal(e core.Entry) string {
	b := append([]byte{literalMark}, e.Origin.String()...)
	b = append(b, ' ')
	if e.Final {
		b = append(b, literalFinal...)
	} else {
		b = append(b, literalOpen...)
	}
	for _, text := range []string{e.Variant, e.Previous, e.Under} {
		b = append(b, ' ')
		b = strconv.AppendQuote(b, text)
	}
	return string(b)
}

// decode reads a stored value of a bucket with that head.
func decode(value, head string) (core.Entry, error) {
	switch n := len(value); {
	case n == 1+underBytes && value[0] == underMark:
		return core.Entry{Variant: core.Control, Origin: core.SourceResolved,
			Under: hex.EncodeToString([]byte(value[1:]))}, nil
	case n > 0 && value[0] == literalMark:
		return decodeLiteral(value)
	case n == 0 || n > codeDigits || n > 1 && value[0] == '0':
		return core.Entry{}, unreadable(value)
	}
	code := 0
	for i := range len(value) {
		digit := value[i] - '0'
		if digit > 9 {
			return core.Entry{}, unreadable(value)
		}
		code = code*10 + int(digit)
	}
	name := ""
	switch {
	case code < kinds*len(fixedNames):
		name = fixedNames[code/kinds]
	case code >= firstCode && code < firstCode+kinds*nameHashes:
		code -= firstCode
		name = known.find(head, code/kinds)
	}
	kind := uint8(code % kinds)
	if name == "" || kind == kindReserved {
		return core.Entry{}, unreadable(value)
	}
	e := core.Entry{Variant: name, Origin: kindOrigins[kind], Final: true}
	if kind == kindRamped {
		e.Previous = core.Control
	}
	return e, nil
}

// names remembers the hashes of names, and one copy of each name.
type names struct {
	all atomic.Pointer[map[string]nameHash] // replaced, never changed
	mu  sync.Mutex
}

type nameHash struct {
	name string
	hash int
}

var known names

// maxKnown bounds the names remembered, should somebody store random ones.
const maxKnown = 1 << 10

// get returns what is to know about a name, which may be part of a longer
// string that is not worth keeping.
func (n *names) get(name string) nameHash {
	all := n.all.Load()
	if all != nil {
		if h, ok := (*all)[name]; ok {
			return h
		}
	}
	sum := sha1.Sum([]byte(name))
	h := nameHash{name: strings.Clone(name), hash: int(binary.BigEndian.Uint16(sum[:])) % nameHashes}
	n.mu.Lock()
	defer n.mu.Unlock()
	more := make(map[string]nameHash)
	if all = n.all.Load(); all != nil {
		if len(*all) >= maxKnown {
			return h
		}
		maps.Copy(more, *all)
	}
	more[h.name] = h
	n.all.Store(&more)
	return h
}

// hash returns the number of a name in codes: the first two bytes of its SHA-1,
// which scripts in Redis have too, in a smaller range.
func (n *names) hash(name string) int { return n.get(name).hash }

// find returns the name in a head that has that hash. A head has at most one.
func (n *names) find(head string, hash int) string {
	for len(head) > stampBytes+1 && head[stampBytes] == nameMark {
		name, _, _ := strings.Cut(head[stampBytes+1:], string(nameMark))
		if h := n.get(name); h.hash == hash {
			return h.name
		}
		head = head[len(name)+1:]
	}
	return ""
}

// inHead reports whether a head has a name.
func inHead(head, name string) bool {
	for len(head) > stampBytes+1 && head[stampBytes] == nameMark {
		next, _, _ := strings.Cut(head[stampBytes+1:], string(nameMark))
		if next == name {
			return true
		}
		head = head[len(next)+1:]
	}
	return false
}

func decodeLiteral(value string) (core.Entry, error) {
	origin, rest, _ := strings.Cut(value[1:], " ")
	state, rest, ok := strings.Cut(rest, " ")
	var e core.Entry
	if !ok || e.Origin.UnmarshalText([]byte(origin)) != nil || state != literalFinal && state != literalOpen {
		return core.Entry{}, unreadable(value)
	}
	e.Final = state == literalFinal
	for i, text := range []*string{&e.Variant, &e.Previous, &e.Under} {
		if i > 0 {
			if rest, ok = strings.CutPrefix(rest, " "); !ok {
				return core.Entry{}, unreadable(value)
			}
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return core.Entry{}, unreadable(value)
		}
		*text, _ = strconv.Unquote(quoted)
		rest = rest[len(quoted):]
	}
	if rest != "" || e.Variant == "" {
		return core.Entry{}, unreadable(value)
	}
	return e, nil
}

// unreadable returns the error for a value that is no entry.
func unreadable(value string) error {
	if len(value) > 80 {
		value = value[:80]
	}
	return fmt.Errorf("%w: the value is %q", ErrUnreadable, value)
}

// due reports whether the time in a head is so old that the TTL of its bucket is
// to be renewed. A time that lies as far ahead is as good as none.
func due(head string, now time.Time, after int64) bool {
	if len(head) < stampBytes {
		return true
	}
	age := now.Unix() - int64(binary.BigEndian.Uint32([]byte(head[:stampBytes])))
	return age >= after || age <= -after
}

var errNoVariant = errors.New("redisstore: an entry without a variant is not stored")
