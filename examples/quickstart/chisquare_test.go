package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Quantiles as tables print them, to more digits from an independent
// computation with 50 decimal places.
func TestChiSquareTail(t *testing.T) {
	for _, test := range []struct {
		x       float64
		freedom int
		want    float64
	}{
		{3.841458820694124, 1, 0.050000000000000057},
		{1, 1, 0.3173105078629141},
		{5.991464547107979, 2, 0.050000000000000074},
		{7.814727903251179, 3, 0.050000000000000018},
		{16.26623619623813, 3, 0.0010000000000000009},
		{2.26, 3, 0.52022712457120328},
		{0.001, 3, 0.99999159208094195},
		{11.070497693516351, 5, 0.050000000000000052},
		{18.307038053275146, 10, 0.050000000000000007},
		{100, 7, 1.0787979671702883e-18},
		{1000, 3, 1.7994208765314477e-216},
		{1200, 4, 1.5928883283555908e-258},
	} {
		require.InEpsilon(t, test.want, chiSquareTail(test.x, test.freedom), 1e-12, "%v", test)
	}
	for freedom := 1; freedom < 20; freedom++ {
		require.Equal(t, 1., chiSquareTail(0, freedom))
		require.Zero(t, chiSquareTail(1e4, freedom))
		for x := 0.5; x < 100; x += 0.5 {
			require.LessOrEqual(t, chiSquareTail(x, freedom), chiSquareTail(x-0.5, freedom))
			require.LessOrEqual(t, chiSquareTail(x, freedom), chiSquareTail(x, freedom+1))
		}
	}
}

func TestSampleRatio(t *testing.T) {
	third := []float64{1. / 3, 1. / 3, 1. / 3}
	statistic, freedom, p, ok := sampleRatio([]int{100, 100, 100}, third)
	require.True(t, ok)
	require.Equal(t, 2, freedom)
	require.InDelta(t, 0, statistic, 1e-9)
	require.InDelta(t, 1, p, 1e-9)

	statistic, _, p, ok = sampleRatio([]int{120, 80, 100}, third)
	require.True(t, ok)
	require.InDelta(t, 8, statistic, 1e-9)
	require.InDelta(t, math.Exp(-4), p, 1e-9) // two degrees of freedom: e^(-x/2)

	_, _, _, ok = sampleRatio([]int{4, 4, 5}, third)
	require.False(t, ok, "13/3 is less than 5")
	_, _, _, ok = sampleRatio([]int{0, 0, 0}, third)
	require.False(t, ok)
	_, _, _, ok = sampleRatio([]int{100}, []float64{1})
	require.False(t, ok, "there is nothing to compare")

	_, freedom, p, ok = sampleRatio([]int{50, 50, 0}, []float64{0.5, 0.5, 0})
	require.True(t, ok)
	require.Equal(t, 1, freedom)
	require.InDelta(t, 1, p, 1e-9)
	_, _, p, ok = sampleRatio([]int{50, 50, 1}, []float64{0.5, 0.5, 0})
	require.True(t, ok)
	require.Zero(t, p, "a variant of weight 0 has a unit")
}
