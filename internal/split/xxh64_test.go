package split

import (
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

func TestXXH64AgreesWithTheLibrary(t *testing.T) {
	require.Equal(t, uint64(0xef46db3751d8e999), xxh64("", 0))
	require.Equal(t, uint64(0x44bc2cf5ad770999), xxh64("abc", 0))
	text := make([]byte, 300)
	for i := range text {
		text[i] = byte(i * 131)
	}
	for n := range text {
		for _, seed := range []uint64{0, 1, 1 << 63, ^uint64(0)} {
			require.Equal(t, librarySum(text[:n], seed), xxh64(string(text[:n]), seed), n)
		}
	}
}

func FuzzXXH64(f *testing.F) {
	f.Add([]byte("weights"), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		require.Equal(t, librarySum(b, seed), xxh64(string(b), seed))
	})
}

func librarySum(b []byte, seed uint64) uint64 {
	d := xxhash.NewWithSeed(seed)
	_, _ = d.Write(b)
	return d.Sum64()
}

func TestSplitMix64IsThePublishedGenerator(t *testing.T) {
	// The first outputs for the seed 1234567, as widely published.
	want := []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821}
	for i, w := range want {
		require.Equal(t, w, splitMix64(1234567, uint64(i)))
	}
}
