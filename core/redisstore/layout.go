package redisstore

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

const (
	headField  = "."  // of every bucket; fields of assignments have 16 bytes
	stampBytes = 4    // the head begins with a time
	nameMark   = "\n" // precedes each name in the head
	maxHead    = 64   // bytes; above hash-max-listpack-value a hash grows fivefold

	fieldBytes = 16
)

// A placeID tells places of all experiments apart.
type placeID [fieldBytes]byte

// A place says where the assignment of one unit lies.
type place struct {
	key   string // of the bucket
	field string // in it
	id    placeID
}

// place returns where the assignment of key lies. It hashes whatever the key
// is: keys that other schemes make may share prefixes.
func (s *Store) place(experiment, key string) place {
	var room [256]byte
	b := append(room[:0], experiment...)
	b = append(b, 0)
	b = append(b, key...)
	sum := sha256.Sum256(b)
	bits := s.opts.bucketBits(experiment)
	at := uint32(sum[fieldBytes])<<16 | uint32(sum[fieldBytes+1])<<8 | uint32(sum[fieldBytes+2])
	// One string for both.
	both := string(append(s.appendBucket(room[:0], experiment, bits, at>>(maxBucketBits-bits)), sum[:fieldBytes]...))
	n := len(both) - fieldBytes
	return place{key: both[:n], field: both[n:], id: placeID(sum[:fieldBytes])}
}

// appendBucket appends the Redis key of a bucket.
func (s *Store) appendBucket(b []byte, experiment string, bits int, bucket uint32) []byte {
	b = append(b, s.opts.Prefix...)
	b = append(b, experiment...)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(bits), 10)
	b = append(b, ':')
	const digits = "0123456789abcdef"
	for shift := (bits+3)/4*4 - 4; shift >= 0; shift -= 4 {
		b = append(b, digits[bucket>>shift&15])
	}
	return b
}

// counterKey returns the Redis key of an experiment's counters.
func (s *Store) counterKey(experiment string) string {
	return s.opts.Prefix + experiment + ":n"
}

// nextName returns the next name in a head that has names left, and the rest of
// the head, which is as good as one.
func nextName(head string) (name, rest string, ok bool) {
	if len(head) <= stampBytes+1 || head[stampBytes:stampBytes+1] != nameMark {
		return "", "", false
	}
	name, _, _ = strings.Cut(head[stampBytes+1:], nameMark)
	return name, head[len(name)+1:], true
}

// inHead reports whether a head has a name.
func inHead(head, name string) bool {
	for next, rest, ok := nextName(head); ok; next, rest, ok = nextName(rest) {
		if next == name {
			return true
		}
	}
	return false
}

// needsRenewal reports whether the time in a head is so many seconds old that
// the TTL of its bucket is to be renewed. A time that lies as far ahead is as
// good as none.
func needsRenewal(head string, now time.Time, after int64) bool {
	if len(head) < stampBytes {
		return true
	}
	age := now.Unix() - int64(binary.BigEndian.Uint32([]byte(head[:stampBytes])))
	return age >= after || age <= -after
}
