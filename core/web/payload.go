package web

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// A payload is what cookies and event tokens carry: a visitor at a time.
type payload struct {
	at time.Time // in seconds
	v  core.Visitor
}

const (
	payloadFormat = 1    // the first byte
	maxSigned     = 1024 // letters of a signed payload
	maxID         = 200  // bytes of a visitor's id
	clockSkew     = 5 * time.Minute
)

// sign returns a payload of now with its signature, for a purpose and what it is
// bound to.
func (s *signer) signPayload(v core.Visitor, purpose string, bound ...string) string {
	text := payload{time.Now(), v}.encode()
	return text + "." + s.sign(purpose, append(bound, text)...)
}

// verifyPayload reads what signPayload wrote, unless it is forged, bound to
// something else or older than maxAge.
func (s *signer) verifyPayload(value string, maxAge time.Duration, purpose string, bound ...string) (core.Visitor, bool) {
	text, signature, ok := strings.Cut(value, ".")
	if !ok || len(value) > maxSigned || !s.valid(signature, purpose, append(bound, text)...) {
		return core.Visitor{}, false
	}
	p, ok := decode(text)
	age := time.Since(p.at)
	if !ok || age > maxAge || age < -clockSkew {
		return core.Visitor{}, false
	}
	return p.v, true
}

// encode returns the format byte, the time, the texts, the origin and whether
// the entry is final, in base64url.
func (p payload) encode() string {
	b := binary.AppendUvarint([]byte{payloadFormat}, uint64(p.at.Unix()))
	e := &p.v.Entry
	for _, text := range []string{p.v.ID, p.v.Unit, e.Variant, e.Previous, e.Under} {
		b = appendText(b, text)
	}
	final := byte(0)
	if e.Final {
		final = 1
	}
	return base64.RawURLEncoding.EncodeToString(append(b, byte(e.Origin), final))
}

// decode reads what encode wrote. It is for text whose signature was checked.
func decode(text string) (p payload, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != payloadFormat {
		return payload{}, false
	}
	at, n := binary.Uvarint(b[1:])
	if n <= 0 || at > 1<<40 {
		return payload{}, false
	}
	p.at, b = time.Unix(int64(at), 0), b[1+n:]
	e := &p.v.Entry
	for _, text := range []*string{&p.v.ID, &p.v.Unit, &e.Variant, &e.Previous, &e.Under} {
		if *text, b, ok = cutText(b); !ok {
			return payload{}, false
		}
	}
	if len(b) != 2 || b[1] > 1 || len(p.v.ID) > maxID {
		return payload{}, false
	}
	e.Origin, e.Final = core.Source(b[0]), b[1] == 1
	return p, true
}
