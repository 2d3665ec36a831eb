package core_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rolloutkit/rolloutkit/core"
)

// even returns the variant that Even gives.
func even(t require.TestingT, r core.Request) string {
	d, err := core.Even.Resolve(ctx, r)
	if err != nil || d.State != core.Conditional { // require is slow, and this runs often
		require.Fail(t, "not a running experiment", "%+v, %v", d, err)
	}
	return d.Variant
}

// behaviours returns control and n variants.
func behaviours(n int) []string {
	names := []string{core.Control}
	for i := range n {
		names = append(names, fmt.Sprintf("v%02d", i))
	}
	return names
}

// requireEven wants each of names within four sigma of its share of what draw
// returns for 100,000 keys, and no other.
func requireEven(t *testing.T, names []string, draw func(key string) string) {
	t.Helper()
	const units = 100_000
	counts := map[string]int{}
	for i := range units {
		counts[draw(fmt.Sprint(i))]++
	}
	require.Len(t, counts, len(names))
	share := 1 / float64(len(names))
	for _, name := range names {
		require.InDelta(t, units*share, counts[name], 4*math.Sqrt(units*share*(1-share)), name)
	}
}

func TestEvenSplitsEqually(t *testing.T) {
	for n := 1; n <= 12; n++ {
		t.Run(fmt.Sprintf("control and %d", n), func(t *testing.T) {
			r := core.Request{Experiment: "even", Variants: behaviours(n)}
			requireEven(t, r.Variants, func(key string) string { r.Key = key; return even(t, r) })
		})
	}
}

func TestAnyVariantIsEvenOverAllButControl(t *testing.T) {
	for _, n := range []int{1, 2, 3, 9} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := core.Request{Experiment: "spread", Variants: behaviours(n)}
			requireEven(t, r.Variants[1:], func(key string) string { r.Key = key; return core.Spread(r) })
		})
	}
}

func TestAnyVariantIsIndependentOfEven(t *testing.T) {
	r := core.Request{Experiment: "both", Variants: behaviours(1)}
	other := core.Request{Experiment: "both", Variants: behaviours(2)}
	requireEven(t, []string{"control v00", "control v01", "v00 v00", "v00 v01"}, func(key string) string {
		r.Key, other.Key = key, key
		return even(t, r) + " " + core.Spread(other)
	})
}

func TestReorderingADefinitionMovesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := behaviours(rapid.IntRange(1, 12).Draw(t, "n"))
		r := core.Request{Experiment: "reorder", Key: rapid.String().Draw(t, "key"), Variants: names}
		evenly, spreadTo := even(t, r), core.Spread(r)
		r.Variants = rapid.Permutation(names).Draw(t, "order")
		require.Equal(t, evenly, even(t, r))
		require.Equal(t, spreadTo, core.Spread(r))
	})
}

func TestControlAloneIsOff(t *testing.T) {
	r := core.Request{Experiment: "alone", Key: "k", Variants: []string{core.Control}}
	d, err := core.Even.Resolve(ctx, r)
	require.NoError(t, err)
	require.Equal(t, core.Decision{}, d)
	require.Empty(t, core.Spread(r))
}

func TestEvenAllocatesNothingAndLeavesTheVariantsAlone(t *testing.T) {
	r := benchRequest(7)
	before := slices.Clone(r.Variants)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = core.Even.Resolve(ctx, r) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { core.Spread(r) }))
	require.Equal(t, before, r.Variants)
}

func TestEvenDescribesItself(t *testing.T) {
	d := core.Even.(core.Describer).Describe()
	require.Equal(t, "even", d.Name)
	require.False(t, d.NeedsStore)
	require.Contains(t, d.Capabilities, core.Deterministic)
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
			r := core.Request{Experiment: fmt.Sprintf("experiment_%d", i%3), Variants: behaviours(n), Key: fmt.Sprintf("%016x", i*i*7919)}
			got = append(got, vector{Experiment: r.Experiment, Key: r.Key, Variants: r.Variants, Even: even(t, r), Any: core.Spread(r)})
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

func benchRequest(n int) core.Request {
	return core.Request{Experiment: "shop_pill_color", Variants: behaviours(n),
		Key: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
}

func BenchmarkEven(b *testing.B) {
	r := benchRequest(2)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = core.Even.Resolve(ctx, r)
	}
}
