package redisstore

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rolloutkit/rolloutkit/core"
)

const (
	openMark      = "!" // precedes Entry.Open of an open control, in binary
	openBytes     = 4
	literalMark   = "="
	literalFormat = literalMark + "%q %q %q %q"

	firstCode  = 10000 // of names in the head, so that each has five digits
	codeDigits = 5
	nameHashes = 2846 // the last code is 32767, the last that takes three bytes
)

// fixedNames have codes that need no name in a head.
var fixedNames = []string{core.Control, core.Candidate}

// kinds are what a code can say beside the name. All are final.
var kinds = []core.Entry{
	{Origin: core.SourceResolved},
	{Origin: core.SourceSegmented},
	{Origin: core.SourceManual},
	{Origin: core.SourceForced},
	{Origin: core.SourceExcluded},
	{Origin: core.SourceResolved, Previous: core.Control}, // a ramp moved the unit
	{}, // nobody knows how it began
}

const kindsPerName = 8 // with one to spare

// A form is an entry ready to be stored: as coded where there is no name or
// where the head of the bucket has it or has room for it, in full as literal
// otherwise. coded is never empty.
type form struct{ coded, literal, name string }

// encode returns the form of e.
func encode(e core.Entry) (form, error) {
	if e.Variant == "" {
		return form{}, errNoVariant
	}
	if e == (core.Entry{Variant: core.Control, Origin: core.SourceResolved, Open: e.Open}) {
		if b, err := hex.DecodeString(e.Open); err == nil && len(b) == openBytes && hex.EncodeToString(b) == e.Open {
			return form{coded: openMark + string(b)}, nil
		}
	}
	kind := slices.Index(kinds, core.Entry{Previous: e.Previous, Origin: e.Origin, Open: e.Open})
	fixed := slices.Index(fixedNames, e.Variant)
	switch {
	case kind >= 0 && fixed >= 0:
		return form{coded: strconv.Itoa(fixed*kindsPerName + kind)}, nil
	case kind >= 0 && len(e.Variant) < maxHead-stampBytes && !strings.Contains(e.Variant, nameMark):
		code := firstCode + nameCache.get(e.Variant).hash*kindsPerName + kind
		return form{coded: strconv.Itoa(code), literal: literal(e), name: e.Variant}, nil
	}
	return form{coded: literal(e)}, nil
}

// literal writes e in full.
func literal(e core.Entry) string {
	return fmt.Sprintf(literalFormat, e.Origin, e.Variant, e.Previous, e.Open)
}

// decode reads a stored value of a bucket with that head.
func decode(value, head string) (e core.Entry, err error) {
	if open, ok := strings.CutPrefix(value, openMark); ok && len(open) == openBytes {
		e = core.Entry{Variant: core.Control, Origin: core.SourceResolved, Open: hex.EncodeToString([]byte(open))}
	} else if strings.HasPrefix(value, literalMark) {
		e = decodeLiteral(value)
	} else {
		e = decodeCode(value, head)
	}
	if e.Variant == "" {
		return core.Entry{}, fmt.Errorf("%w: the value is %.80q", ErrUnreadable, value)
	}
	return e, nil
}

// decodeLiteral returns the zero Entry for what is not just as literal writes it.
func decodeLiteral(value string) (e core.Entry) {
	_, err := fmt.Sscanf(value, literalFormat, &e.Origin, &e.Variant, &e.Previous, &e.Open)
	if err != nil || literal(e) != value {
		return core.Entry{}
	}
	return e
}

// decodeCode returns the zero Entry for what is no code.
func decodeCode(value, head string) core.Entry {
	if n := len(value); n == 0 || n > codeDigits || n > 1 && value[0] == '0' {
		return core.Entry{}
	}
	code := 0
	for i := range len(value) {
		digit := value[i] - '0'
		if digit > 9 {
			return core.Entry{}
		}
		code = code*10 + int(digit)
	}
	kind, name := code%kindsPerName, ""
	if i := code / kindsPerName; i < len(fixedNames) {
		name = fixedNames[i]
	} else if code >= firstCode {
		name = nameInHead(head, (code-firstCode)/kindsPerName)
	}
	if name == "" || kind >= len(kinds) {
		return core.Entry{}
	}
	e := kinds[kind]
	e.Variant = name
	return e
}

// nameInHead returns the name in a head that has that hash. A head has at most
// one.
func nameInHead(head string, hash int) string {
	for name, rest, ok := nextName(head); ok; name, rest, ok = nextName(rest) {
		if known := nameCache.get(name); known.hash == hash {
			return known.name
		}
	}
	return ""
}

// nameCache remembers the hashes of variants' names, and one copy of each name.
var nameCache = names{known: make(map[string]hashedName)}

type names struct {
	mu    sync.RWMutex
	known map[string]hashedName
}

type hashedName struct {
	name string
	hash int // the first two bytes of the SHA-1, which scripts have too, in a smaller range
}

// maxKnown bounds the names remembered, should somebody store random ones.
const maxKnown = 1 << 10

// get returns the hash of a name, which may be part of a longer string that is
// not worth keeping, and the copy to keep.
func (n *names) get(name string) hashedName {
	n.mu.RLock()
	h, ok := n.known[name]
	n.mu.RUnlock()
	if ok {
		return h
	}
	sum := sha1.Sum([]byte(name))
	h = hashedName{strings.Clone(name), int(binary.BigEndian.Uint16(sum[:])) % nameHashes}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known) < maxKnown {
		n.known[h.name] = h
	}
	return h
}
