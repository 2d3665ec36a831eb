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
	payloadFormat = 2    // the first byte
	maxSigned     = 1024 // letters of a signed payload
	maxID         = 200  // bytes of a visitor's id
	clockSkew     = 5 * time.Minute
)

// signPayload returns a payload of now with its signature, for a purpose and what it is
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

// encode returns the format byte, the time and the texts, in base64url.
func (p payload) encode() string {
	b := binary.AppendUvarint([]byte{payloadFormat}, uint64(p.at.Unix()))
	for _, text := range p.texts() {
		b = appendText(b, *text)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// decode reads what encode wrote. It is for text whose signature was checked.
func decode(text string) (p payload, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != payloadFormat {
		return payload{}, false
	}
	at, rest, ok := cutNumber(string(b[1:]))
	if !ok || at > 1<<40 {
		return payload{}, false
	}
	p.at = time.Unix(int64(at), 0)
	for _, text := range p.texts() {
		size, after, ok := cutNumber(rest)
		if !ok || size > uint64(len(after)) {
			return payload{}, false
		}
		*text, rest = after[:size], after[size:]
	}
	return p, rest == "" && len(p.v.ID) <= maxID
}

// cutNumber returns the uvarint at the beginning of s and what follows it.
func cutNumber(s string) (n uint64, rest string, ok bool) {
	n, size := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
	if size <= 0 {
		return 0, "", false
	}
	return n, s[size:], true
}

// texts returns what a payload holds besides the time.
func (p *payload) texts() []*string {
	e := &p.v.Entry
	return []*string{&p.v.ID, &p.v.Unit, &e.Variant, &e.Previous, &e.Open, (*string)(&e.Origin)}
}
