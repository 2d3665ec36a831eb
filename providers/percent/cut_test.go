package percent

import (
	"math"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// The ends of the line themselves, which no unit by chance would hit.
func TestCutsAreStrict(t *testing.T) {
	last := core.Point(math.MaxUint64)
	at := func(parts uint64) core.Point { // the first point at or above
		quotient, remainder := bits.Div64(parts, 0, whole)
		return core.Point(quotient + min(remainder, 1))
	}
	one, names := New(Weights{"control": 99.99, "red": 0.01}), []string{"control", "red"}
	require.Equal(t, "red", one.variant(names, at(1)-1, 0))
	require.Equal(t, "control", one.variant(names, at(1), 0))
	two, names := New(Weights{"control": 99.98, "blue": 0.01, "red": 0.01}), []string{"control", "red", "blue"}
	require.Equal(t, "blue", two.variant(names, at(1)-1, 0))
	require.Equal(t, "control", two.variant(names, at(1), 0))
	require.Equal(t, "control", two.variant(names, at(9999)-1, 0))
	require.Equal(t, "red", two.variant(names, at(9999), 0))
	require.Equal(t, "red", two.variant(names, last, 0))
	three, names := New(Weights{"control": 97, "a": 1, "b": 1, "c": 1}), []string{"control", "a", "b", "c"}
	require.Equal(t, "control", three.variant(names, at(300), last))
	require.Equal(t, "c", three.variant(names, at(300)-1, last))
	require.Equal(t, "a", three.variant(names, at(300)-1, 0))
	require.Equal(t, "b", three.variant(names, 0, 1<<63))
}
