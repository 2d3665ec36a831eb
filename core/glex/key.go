package glex

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"

	"github.com/rolloutkit/rolloutkit/core"
)

// A Scheme makes the gem's context keys. A client whose [core.Config] has one
// as its KeyScheme, and as its KeySecret the gem's context_key_secret, gives
// each unit the key that the gem gives it. The zero Scheme is the gem's default.
type Scheme struct {
	// Bits is the gem's context_key_bit_length: 256, 384 or 512. 0 is 256.
	Bits int
}

var _ core.KeyScheme = Scheme{}

// Key returns the context key of attrs in the experiment of that full name: the
// lower-case hex of the SHA-2 of secret, full name, all names of attrs and then
// all values, joined by "|". Nothing is escaped, and the order of attrs matters.
// An empty secret is what the gem has without one.
//
// Attributes made by [Elements] and [Verbatim] make the keys of the gem's other
// forms of sticky_to. It is an error if Bits is none of the three lengths, or if
// such attributes stand beside others.
func (s Scheme) Key(secret []byte, experiment string, attrs []core.Attr) (string, error) {
	form, err := formOf(experiment, attrs)
	if err != nil {
		return "", err
	}
	if form == verbatim {
		return attrs[0].Text(), nil
	}
	var buf [256]byte // on the stack, and enough for most contexts
	b := appendSource(buf[:0], secret, experiment, attrs, form)
	var sum [sha512.Size]byte
	n := 0
	switch s.Bits {
	case 0, 256:
		d := sha256.Sum256(b)
		n = copy(sum[:], d[:])
	case 384:
		d := sha512.Sum384(b)
		n = copy(sum[:], d[:])
	case 512:
		d := sha512.Sum512(b)
		n = copy(sum[:], d[:])
	default:
		return "", fmt.Errorf("glex: experiment %s: a key of %d bits; the gem makes keys of 256, 384 and 512", experiment, s.Bits)
	}
	var digits [2 * sha512.Size]byte
	hex.Encode(digits[:], sum[:n])
	return string(digits[:2*n]), nil
}

// appendSource appends what is hashed.
func appendSource(b, secret []byte, experiment string, attrs []core.Attr, form form) []byte {
	b = append(b, secret...)
	b = append(b, '|')
	b = append(b, experiment...)
	if form == pairs {
		for i := range attrs {
			b = append(b, '|')
			b = append(b, attrs[i].Name...)
		}
	}
	for i := range attrs {
		b = append(b, '|')
		b = appendText(b, attrs[i])
	}
	return b
}
