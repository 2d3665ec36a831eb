// Package split places units on a line, the same in every process and release.
package split

import "math/bits"

// A Point is a place on the line from 0 to 1, in units of 2^-64. Points made by
// [Points] are spread uniformly.
type Point uint64

// Scale maps p to 0..n-1, evenly: n*p/2^64, rounded down; 0 for n = 0. A unit is
// in the share c/n if Scale(n) < c: never for c = 0, always for c = n, and
// whatever n is, since only the ratio counts.
func (p Point) Scale(n uint64) uint64 {
	hi, _ := bits.Mul64(uint64(p), n)
	return hi
}

// Points returns four independent points for one unit in one experiment. Other
// salts, experiments or keys give independent points too. Many goroutines may
// call it.
//
// The points are the first four outputs of SplitMix64, seeded with the XXH64
// hash of key, seeded with that of experiment, seeded with that of salt, seeded
// with 0. So in Python, with the module xxhash, SplitMix64 starts from
//
//	from xxhash import xxh64_intdigest as h
//	h(key, h(experiment, h(salt)))
func Points(salt, experiment, key string) [4]Point {
	seed := hashWeights
	if salt != Weights {
		seed = xxh64(salt, 0)
	}
	seed = xxh64(key, xxh64(experiment, seed))
	var points [4]Point
	for i := range points {
		points[i] = Point(splitMix64(seed, uint64(i)))
	}
	return points
}

// Weights is the salt of splits by weight, which most calls have.
const Weights = "weights"

var hashWeights = xxh64(Weights, 0)
