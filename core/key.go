package core

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"sync"
)

const (
	minSecret          = 32 // bytes: as many as the hash has
	maxPreviousSecrets = 3
	keyDigits          = 2 * sha256.Size
	nOpenDigits        = 8 // of Entry.Open
)

// A KeyScheme makes anonymous keys in place of the core's own way, for a
// service that shares assignments with another system. It is called from many
// goroutines at the same time.
type KeyScheme interface {
	// Key returns the key of the unit with the given attributes, in the order
	// in which the app gave them, in the experiment of that full name. An error
	// is a unit fault. attrs is not to be kept or changed.
	Key(secret []byte, experiment string, attrs []Attr) (string, error)
}

// A keyring makes a unit's keys under the secrets of a client, newest first.
type keyring struct {
	keyers []*keyer
	scheme KeyScheme // nil: the core's own
}

func newKeyring(scheme KeyScheme, secrets ...[]byte) keyring {
	k := keyring{scheme: scheme}
	for _, s := range secrets {
		k.keyers = append(k.keyers, newKeyer(s))
	}
	return k
}

// identify returns the unit's keys: for each identity, newest first, the key
// under each secret, newest first. No key comes twice. An anonymous unit has
// none, nor has id after an error.
func (k *keyring) identify(experiment string, u *Unit, id *identity) error {
	if err := u.fault(); err != nil || u.anonymous() {
		return err
	}
	if len(k.keyers) == 1 && k.scheme == nil && (u.ext == nil || u.ext.raw == "" && len(u.ext.older) == 0) {
		id.key, id.traits = k.keyers[0].key(experiment, u), u.traits()
		return nil
	}
	units := u.identities()
	keys := make([]string, 0, maxKeys)
	sameUnit := 0
	for i := range units {
		if i > 0 {
			if err := units[i].fault(); err != nil {
				return fmt.Errorf("older identity %d of the unit: %w", i, err)
			}
		}
		for _, keyer := range k.keyers {
			key, err := k.key(keyer, experiment, &units[i])
			switch {
			case err != nil:
				return err
			case slices.Contains(keys, key):
				continue
			case len(keys) == maxKeys:
				return fmt.Errorf("the unit has more than %d keys, from %d identities under %d secrets",
					maxKeys, len(units), len(k.keyers))
			}
			keys = append(keys, key)
		}
		if i == 0 {
			sameUnit = len(keys) - 1
		}
	}
	id.key, id.older, id.sameUnit, id.traits = keys[0], keys[1:], sameUnit, u.traits()
	return nil
}

func (k *keyring) key(keyer *keyer, experiment string, u *Unit) (string, error) {
	switch {
	case u.ext != nil && u.ext.raw != "":
		return u.ext.raw, nil
	case k.scheme == nil:
		return keyer.key(experiment, u), nil
	}
	key, err := k.scheme.Key(keyer.secret, experiment, u.covered())
	if err == nil && key == "" {
		err = fmt.Errorf("%T made an empty key", k.scheme)
	}
	return key, err
}

// A keyer makes keys under one secret: hex of HMAC-SHA-256 (RFC 2104, FIPS
// 198-1) over the encoding of appendUnit. States are pooled, since setting one
// up costs as much as a key.
type keyer struct {
	secret []byte
	pool   sync.Pool // of *keyState
}

type keyState struct {
	mac    hash.Hash
	buf    []byte
	sum    [sha256.Size]byte
	digits [keyDigits]byte
}

// hexPairs are the two digits of each byte. encoding/hex takes a tenth of the
// whole key, since it looks up each digit for itself.
var hexPairs = func() (pairs [256]uint16) {
	for i := range pairs {
		pairs[i] = binary.LittleEndian.Uint16(hex.AppendEncode(nil, []byte{byte(i)}))
	}
	return pairs
}()

func newKeyer(secret []byte) *keyer {
	k := &keyer{secret: slices.Clone(secret)}
	k.pool.New = func() any {
		return &keyState{mac: hmac.New(sha256.New, k.secret), buf: make([]byte, 0, 256)}
	}
	return k
}

func (k *keyer) key(experiment string, u *Unit) string {
	s := k.pool.Get().(*keyState)
	s.buf = appendUnit(s.buf[:0], experiment, u)
	s.mac.Reset()
	s.mac.Write(s.buf)
	s.mac.Sum(s.sum[:0])
	for i := range s.sum {
		binary.LittleEndian.PutUint16(s.digits[2*i:], hexPairs[s.sum[i]])
	}
	key := string(s.digits[:])
	if cap(s.buf) > 4096 {
		s.buf = nil // one large unit should not be kept for ever
	}
	k.pool.Put(s)
	return key
}

// keyFormat is the first byte of what is hashed. It changes when the encoding
// does, so that no key of one encoding is ever one of another.
const keyFormat = 1

// derivedFormat is the first byte where a secret is derived, so that nothing
// derived is ever a key.
const derivedFormat = 0

// DerivedSecrets returns a secret of 32 bytes for another purpose, such as
// signing cookies, from the KeySecret and from each of PreviousSecrets, newest
// first. They tell nothing of the secrets, nor of each other. It returns nil if
// one of those is shorter than 32 bytes. purpose names the use.
func (c *Client) DerivedSecrets(purpose string) [][]byte {
	derived := make([][]byte, len(c.keys.keyers))
	for i, k := range c.keys.keyers {
		if len(k.secret) < minSecret {
			return nil
		}
		mac := hmac.New(sha256.New, k.secret)
		mac.Write(appendText([]byte{derivedFormat}, purpose))
		derived[i] = mac.Sum(nil)
	}
	return derived
}

// appendUnit appends the bytes that make the key of u in experiment: the format
// byte, the full name, then the covered attributes sorted by name, each as
// name, kind and value. Texts are preceded by their length as a uvarint,
// numbers are eight bytes, big-endian, and booleans are one. So no two units
// have the same bytes, and the order in which attributes were given does not
// matter.
func appendUnit(b []byte, experiment string, u *Unit) []byte {
	b = append(b, keyFormat)
	b = appendText(b, experiment)
	var order [maxAttrs]uint8 // a fault of the unit if there are more
	n := 0
	for i := range min(u.n, maxAttrs) {
		name := u.attr(i).Name
		if !u.covers(name) {
			continue
		}
		// Insertion sort: units have one or two attributes, and none escapes.
		j := n
		for ; j > 0 && u.attr(int(order[j-1])).Name > name; j-- {
			order[j] = order[j-1]
		}
		order[j] = uint8(i)
		n++
	}
	for _, i := range order[:n] {
		a := u.attr(int(i))
		b = appendText(b, a.Name)
		b = append(b, a.kind)
		switch a.kind {
		case kindString:
			b = appendText(b, a.str)
		case kindBool:
			b = append(b, byte(a.num))
		default:
			b = binary.BigEndian.AppendUint64(b, a.num)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	if len(s) < 1<<7 {
		return append(append(b, byte(len(s))), s...) // what follows, inlined
	}
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
