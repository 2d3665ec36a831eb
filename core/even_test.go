package core

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func resolveEven(t require.TestingT, r Request) string {
	d, err := Even.Resolve(context.Background(), r)
	if err != nil || d.State != Conditional { // require is slow, and this runs often
		require.Fail(t, "not a running experiment", "%+v, %v", d, err)
	}
	return d.Variant
}

// behaviours returns control and n variants.
func behaviours(n int) []string {
	names := []string{Control}
	for i := range n {
		names = append(names, fmt.Sprintf("v%02d", i))
	}
	return names
}

func TestEvenSplitsEqually(t *testing.T) {
	const units = 100_000
	for n := 1; n <= 12; n++ {
		r := Request{Experiment: "even", Variants: behaviours(n)}
		counts := map[string]int{}
		for i := range units {
			r.Key = fmt.Sprint(i)
			counts[resolveEven(t, r)]++
		}
		requireEven(t, counts, r.Variants, units)
	}
}

func TestSpreadIsEvenOverTheOthers(t *testing.T) {
	const units = 100_000
	for _, n := range []int{1, 2, 3, 9} {
		r := Request{Experiment: "spread", Variants: behaviours(n)}
		counts := map[string]int{}
		for i := range units {
			r.Key = fmt.Sprint(i)
			counts[spread(r)]++
		}
		requireEven(t, counts, r.Variants[1:], units)
	}
}

// requireEven wants each of names within four sigma of its share, and no other.
func requireEven(t *testing.T, counts map[string]int, names []string, units float64) {
	t.Helper()
	require.Len(t, counts, len(names))
	share := 1 / float64(len(names))
	for _, name := range names {
		require.InDelta(t, units*share, counts[name], 4*math.Sqrt(units*share*(1-share)), name)
	}
}

func TestSpreadIsIndependentOfEven(t *testing.T) {
	const units = 100_000
	r := Request{Experiment: "both", Variants: behaviours(1)}
	other := Request{Experiment: "both", Variants: behaviours(2)}
	counts := map[string]int{}
	for i := range units {
		r.Key = fmt.Sprint(i)
		other.Key = r.Key
		counts[resolveEven(t, r)+" "+spread(other)]++
	}
	requireEven(t, counts, []string{"control v00", "control v01", "v00 v00", "v00 v01"}, units)
}

func TestReorderingADefinitionMovesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := behaviours(rapid.IntRange(1, 12).Draw(t, "n"))
		r := Request{Experiment: "reorder", Key: rapid.String().Draw(t, "key"), Variants: names}
		evenly, spreadTo := resolveEven(t, r), spread(r)
		r.Variants = rapid.Permutation(names).Draw(t, "order")
		require.Equal(t, evenly, resolveEven(t, r))
		require.Equal(t, spreadTo, spread(r))
	})
}

func TestControlAloneIsOff(t *testing.T) {
	r := Request{Experiment: "alone", Key: "k", Variants: []string{Control}}
	d, err := Even.Resolve(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, Decision{}, d)
	require.Empty(t, spread(r))
}

func TestBucketsDoNotAllocate(t *testing.T) {
	r := Request{Experiment: "shop_pill_color", Variants: behaviours(7),
		Key: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
	before := slices.Clone(r.Variants)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = Even.Resolve(context.Background(), r) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { spread(r) }))
	require.Equal(t, before, r.Variants)
}

func TestEvenDescribesItself(t *testing.T) {
	d := Even.(Describer).Describe()
	require.Equal(t, "even", d.Name)
	require.False(t, d.NeedsStore)
	require.Contains(t, d.Capabilities, Deterministic)
}

// TestBucketsNeverChange holds every decision against a file, so that no
// release moves units that no store keeps.
func TestBucketsNeverChange(t *testing.T) {
	type vector struct {
		Experiment, Key, Even, Any string
		Variants                   []string
	}
	var got []vector
	for n := 1; n <= 5; n++ {
		for i := range 40 {
			r := Request{Experiment: fmt.Sprintf("experiment_%d", i%3), Variants: behaviours(n),
				Key: fmt.Sprintf("%016x", i*i*7919)}
			got = append(got, vector{Experiment: r.Experiment, Key: r.Key, Variants: r.Variants,
				Even: resolveEven(t, r), Any: spread(r)})
		}
	}
	file := filepath.Join("testdata", "buckets.json")
	if os.Getenv("ROLLOUTKIT_UPDATE") == "1" {
		var out []byte
		for i, v := range got {
			line, err := json.Marshal(v)
			require.NoError(t, err)
			out = append(append(append(out, "[,"[min(i, 1)]), '\n'), line...)
		}
		require.NoError(t, os.WriteFile(file, append(out, "\n]\n"...), 0o644))
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var want []vector
	require.NoError(t, json.Unmarshal(text, &want))
	require.Equal(t, want, got)
}

func BenchmarkEven(b *testing.B) {
	r := Request{Experiment: "shop_pill_color", Variants: behaviours(2),
		Key: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Even.Resolve(context.Background(), r)
	}
}
