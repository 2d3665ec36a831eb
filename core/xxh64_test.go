package core

import (
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

func TestXXH64AgreesWithTheLibrary(t *testing.T) {
	require.Equal(t, uint64(0xef46db3751d8e999), xxh64(nil))
	require.Equal(t, uint64(0x44bc2cf5ad770999), xxh64([]byte("abc")))
	text := make([]byte, 300)
	for i := range text {
		text[i] = byte(i * 131)
	}
	for n := range text {
		require.Equal(t, xxhash.Sum64(text[:n]), xxh64(text[:n]), n)
	}
}

func FuzzXXH64(f *testing.F) {
	f.Add([]byte("weights"))
	f.Fuzz(func(t *testing.T, b []byte) { require.Equal(t, xxhash.Sum64(b), xxh64(b)) })
}

func TestSplitMix64IsThePublishedGenerator(t *testing.T) {
	// The first outputs for the seed 1234567, as widely published.
	want := []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821}
	for i, w := range want {
		require.Equal(t, w, splitMix64(1234567, uint64(i)))
	}
}
