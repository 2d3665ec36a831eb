package split

import "math/bits"

// The primes of XXH64.
const (
	prime1 uint64 = 0x9E3779B185EBCA87
	prime2 uint64 = 0xC2B2AE3D27D4EB4F
	prime3 uint64 = 0x165667B19E3779F9
	prime4 uint64 = 0x85EBCA77C2B2AE63
	prime5 uint64 = 0x27D4EB2F165667C5
)

// xxh64 returns the XXH64 hash of s with the given seed, as its specification
// defines it (Yann Collet, "xxHash fast digest algorithm", XXH64 algorithm
// description). The standard library has no hash that is stable across
// processes, uniform in all its bits, and cheap beside the key that is made
// before it.
func xxh64(s string, seed uint64) uint64 {
	n := uint64(len(s))
	h := seed + prime5
	if n >= 32 {
		v1, v2, v3, v4 := seed+prime1, seed+prime2, seed, seed-prime1
		v1 += prime2
		for ; len(s) >= 32; s = s[32:] {
			v1 = xxhRound(v1, lane(s))
			v2 = xxhRound(v2, lane(s[8:]))
			v3 = xxhRound(v3, lane(s[16:]))
			v4 = xxhRound(v4, lane(s[24:]))
		}
		h = bits.RotateLeft64(v1, 1) + bits.RotateLeft64(v2, 7) + bits.RotateLeft64(v3, 12) + bits.RotateLeft64(v4, 18)
		h = (h^xxhRound(0, v1))*prime1 + prime4
		h = (h^xxhRound(0, v2))*prime1 + prime4
		h = (h^xxhRound(0, v3))*prime1 + prime4
		h = (h^xxhRound(0, v4))*prime1 + prime4
	}
	h += n
	for ; len(s) >= 8; s = s[8:] {
		h = bits.RotateLeft64(h^xxhRound(0, lane(s)), 27)*prime1 + prime4
	}
	if len(s) >= 4 {
		h = bits.RotateLeft64(h^uint64(half(s))*prime1, 23)*prime2 + prime3
		s = s[4:]
	}
	for i := range len(s) {
		h = bits.RotateLeft64(h^uint64(s[i])*prime5, 11) * prime1
	}
	h = (h ^ h>>33) * prime2
	h = (h ^ h>>29) * prime3
	return h ^ h>>32
}

func xxhRound(acc, lane uint64) uint64 {
	return bits.RotateLeft64(acc+lane*prime2, 31) * prime1
}

// lane returns the first eight bytes of s as a little-endian number, in one load.
func lane(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// half returns the first four.
func half(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// splitMix64 returns the i-th output, from 0, of the generator SplitMix64 with
// the given seed (Steele, Lea and Flood, "Fast splittable pseudorandom number
// generators", 2014).
func splitMix64(seed, i uint64) uint64 {
	z := seed + (i+1)*0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
