package split

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPointsAreWhatTheCommentSays(t *testing.T) {
	seed := librarySum([]byte("k1"), librarySum([]byte("pill_color"), librarySum([]byte("any"), 0)))
	require.Equal(t, Point(splitMix64(seed, 3)), Points("any", "pill_color", "k1")[3])
	require.Equal(t, [4]Point{0x960c28e073d0646d, 0xce118584042393ae, 0x2b8a3521c74b30b5, 0xc92b079818268bc5}, Points("any", "pill_color", "k1"))
}

func TestPointsSeparateTheirParts(t *testing.T) {
	require.NotEqual(t, Points("ab", "c", "d"), Points("a", "bc", "d"))
	require.NotEqual(t, Points("a", "bc", "d"), Points("a", "b", "cd"))
	require.NotEqual(t, Points("", "a", "b"), Points("a", "", "b"))
}

func TestPointsOfLongTexts(t *testing.T) {
	long := string(make([]byte, 1000))
	require.NotEqual(t, Points("a", "b", long), Points("a", "b", long[1:]))
}

func TestScaleIsStrictAndScaleInvariant(t *testing.T) {
	require.Zero(t, Point(math.MaxUint64).Scale(0))
	require.Equal(t, uint64(9999), Point(math.MaxUint64).Scale(10000))
	require.Zero(t, Point(0).Scale(math.MaxUint64))
	rapid.Check(t, func(t *rapid.T) {
		p := Point(rapid.Uint64().Draw(t, "p"))
		n := rapid.Uint64Range(1, 1<<31).Draw(t, "n")
		c := rapid.Uint64Range(0, n).Draw(t, "c")
		k := rapid.Uint64Range(1, 1<<31).Draw(t, "k")
		in := p.Scale(n) < c
		require.Equal(t, in, p.Scale(k*n) < k*c)
		place := new(big.Int).Mul(new(big.Int).SetUint64(uint64(p)), new(big.Int).SetUint64(n))
		cut := new(big.Int).Lsh(new(big.Int).SetUint64(c), 64)
		require.Equal(t, place.Cmp(cut) < 0, in)
		require.Less(t, p.Scale(n), n)
	})
}
