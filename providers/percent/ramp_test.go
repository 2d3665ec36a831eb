package percent_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

const whole = 10_000 // parts of the line: hundredths of a percent

// names returns n names of variants.
func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("v%d", i)
	}
	return all
}

// drawParts returns the parts of control and n variants.
func drawParts(t *rapid.T, n int) []int {
	all := make([]int, n+1)
	all[0] = whole
	for i := range n {
		all[i+1] = rapid.IntRange(0, all[0]).Draw(t, "weight")
		all[0] -= all[i+1]
	}
	return all
}

// named returns parts as weights; those of 0 are left out if the test draws so.
func named(t *rapid.T, parts []int) weights {
	bare, w := rapid.Bool().Draw(t, "names of weight 0 are left out"), weights{}
	for i, name := range append([]string{core.Control}, names(len(parts)-1)...) {
		if parts[i] > 0 || !bare {
			w[name] = float64(parts[i]) / 100
		}
	}
	return w
}

// grown returns two sets of parts of which the second has grown at control's
// cost: one or two variants at will, more in proportion.
func grown(t *rapid.T, n int) (before, after []int) {
	if n <= 2 {
		before = drawParts(t, n)
		after = slices.Clone(before)
		for i := 1; i <= n; i++ {
			more := rapid.IntRange(0, after[0]).Draw(t, "more")
			after[0], after[i] = after[0]-more, after[i]+more
		}
		return before, after
	}
	ratio := rapid.SliceOfN(rapid.IntRange(0, 40), n, n).Draw(t, "ratio")
	sum := 0
	for _, share := range ratio {
		sum += share
	}
	low := rapid.IntRange(0, whole/max(sum, 1)).Draw(t, "low")
	high := rapid.IntRange(low, whole/max(sum, 1)).Draw(t, "high")
	before, after = []int{whole - sum*low}, []int{whole - sum*high}
	for _, share := range ratio {
		before, after = append(before, share*low), append(after, share*high)
	}
	return before, after
}

func TestGrowingWeightsMovesControlsOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "variants")
		before, after := grown(t, n)
		old, now, salt := percent.New(named(t, before)), percent.New(named(t, after)), rapid.Uint32().Draw(t, "units")
		for i := range 200 {
			req := request(fmt.Sprintf("%x-%d", salt, i), names(n)...)
			if was, is := resolve(t, old, req), resolve(t, now, req); was != is && was != core.Control {
				t.Fatalf("%s moved from %s to %s", req.Key, was, is)
			}
		}
	})
}

func TestGrowingAnInclusionKeepsItsMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "variants")
		parts := drawParts(t, n)
		if parts[0] == whole {
			t.Skip("nobody is selected")
		}
		w := named(t, parts)
		low := rapid.IntRange(1, whole).Draw(t, "low")
		high := rapid.IntRange(low, whole).Draw(t, "high")
		before, after := percent.Include(float64(low)/100, w), percent.Include(float64(high)/100, w)
		for i := range 200 {
			req := request(fmt.Sprint(i), names(n)...)
			if was := resolve(t, before, req); was != "outside" {
				require.Equal(t, was, resolve(t, after, req))
				require.Equal(t, was, resolve(t, percent.New(w), req), "who is in is independent of who gets what")
			}
		}
	})
}

func TestReorderingADefinitionMovesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "variants")
		r, key := percent.New(named(t, drawParts(t, n))), rapid.String().Draw(t, "key")
		require.Equal(t, resolve(t, r, request(key, names(n)...)),
			resolve(t, r, request(key, rapid.Permutation(names(n)).Draw(t, "order")...)))
	})
}
