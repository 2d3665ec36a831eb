package main

import "math"

// sampleRatio tests whether counts are a plausible sample of shares, which sum
// to 1. It returns Pearson's chi-square statistic, its degrees of freedom, and
// the probability p of a statistic at least as large if the shares are right.
// ok is false where a cell is expected to hold less than five, which is too few
// for the approximation (Cochran, Biometrics 10, 1954).
func sampleRatio(counts []int, shares []float64) (statistic float64, freedom int, p float64, ok bool) {
	total := 0
	for _, n := range counts {
		total += n
	}
	freedom = -1
	for i, share := range shares {
		expected := share * float64(total)
		switch {
		case share == 0 && counts[i] > 0:
			return math.Inf(1), len(counts) - 1, 0, true // nobody should be there
		case share == 0:
			continue
		case expected < 5:
			return 0, 0, 0, false
		}
		freedom++
		off := float64(counts[i]) - expected
		statistic += off * off / expected
	}
	return statistic, freedom, chiSquareTail(statistic, freedom), freedom > 0
}

// chiSquareTail returns the probability that a chi-square variable with the
// given degrees of freedom, at least 1, is x or more: formulas 26.4.4 (odd) and
// 26.4.5 (even) of Abramowitz and Stegun, Handbook of Mathematical Functions.
// All terms are positive, so nothing cancels.
func chiSquareTail(x float64, freedom int) float64 {
	if x <= 0 {
		return 1
	}
	// The terms are h^k/Γ(k+1) times e^-h, for k up to freedom/2 - 1 in steps of
	// one: k = 0, 1, 2 ... for even degrees, and 1/2, 3/2 ... for odd ones.
	h := x / 2
	k, term, tail := 0., math.Exp(-h), 0.
	if freedom%2 == 1 {
		k, term, tail = 0.5, math.Exp(-h)*2*math.Sqrt(h/math.Pi), math.Erfc(math.Sqrt(h))
	}
	for ; k < float64(freedom)/2; k++ {
		tail += term
		term *= h / (k + 1)
	}
	return tail
}
