package percent

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rolloutkit/rolloutkit/core"
)

// drawWeights returns weights, in parts, of control and n variants.
func drawWeights(t *rapid.T, n int) []int {
	left, all := whole, make([]int, n+1)
	for i := 1; i <= n; i++ {
		all[i] = rapid.IntRange(0, left).Draw(t, fmt.Sprintf("weight %d", i))
		left -= all[i]
	}
	all[0] = left
	return all
}

// named names weights in parts. With bare, weights of 0 are left out.
func named(all []int, bare bool) Weights {
	w := Weights{}
	for i, n := range all {
		if n > 0 || !bare {
			w[names(len(all) - 1)[i]] = float64(n) / 100
		}
	}
	return w
}

// names returns control and n variants.
func names(n int) []string {
	all := []string{core.Control}
	for i := range n {
		all = append(all, fmt.Sprintf("v%d", i))
	}
	return all
}

// requireControlMoved wants only units to have moved that were control.
func requireControlMoved(t *rapid.T, before, after core.Rollout, n int) {
	salt := rapid.Uint32().Draw(t, "units")
	for i := range 200 {
		req := request(fmt.Sprintf("%x-%d", salt, i), names(n)[1:]...)
		was, is := resolve(t, before, req), resolve(t, after, req)
		if was != is && was != core.Control {
			t.Fatalf("%s moved from %s to %s", req.Key, was, is)
		}
	}
}

func TestOneOrTwoVariantsGrowAtControlsCost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 2).Draw(t, "variants")
		before := drawWeights(t, n)
		after := append([]int{}, before...)
		for i := 1; i <= n; i++ {
			more := rapid.IntRange(0, after[0]).Draw(t, "more")
			after[i] += more
			after[0] -= more
		}
		bare := rapid.Bool().Draw(t, "names of weight 0 are left out")
		requireControlMoved(t, New(named(before, bare)), New(named(after, bare)), n)
	})
}

func TestManyVariantsGrowInProportion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "variants")
		ratio, sum := make([]int, n+1), 0
		for i := 1; i <= n; i++ {
			ratio[i] = rapid.IntRange(0, 40).Draw(t, "ratio")
			sum += ratio[i]
		}
		if sum == 0 {
			t.Skip("nobody is selected")
		}
		grown := func(what string) []int {
			times := rapid.IntRange(1, whole/sum).Draw(t, what)
			all := make([]int, n+1)
			for i := range all {
				all[i] = ratio[i] * times
			}
			all[0] = whole - sum*times
			return all
		}
		before, after := grown("before"), grown("after")
		if after[0] > before[0] {
			before, after = after, before
		}
		bare := rapid.Bool().Draw(t, "names of weight 0 are left out")
		requireControlMoved(t, New(named(before, bare)), New(named(after, bare)), n)
	})
}

func TestGrowingAnInclusionKeepsItsMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "variants")
		w := named(drawWeights(t, n), false)
		if w[core.Control] == 100 {
			t.Skip("nobody is selected")
		}
		low := rapid.IntRange(1, whole).Draw(t, "low")
		high := rapid.IntRange(low, whole).Draw(t, "high")
		before, after := Include(float64(low)/100, w), Include(float64(high)/100, w)
		for i := range 200 {
			req := request(fmt.Sprint(i), names(n)[1:]...)
			if was := resolve(t, before, req); was != "outside" {
				require.Equal(t, was, resolve(t, after, req))
			}
		}
	})
}

func TestReorderingADefinitionMovesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "variants")
		all := drawWeights(t, n)
		r := New(named(all, rapid.Bool().Draw(t, "names of weight 0 are left out")))
		req := request(rapid.String().Draw(t, "key"), names(n)[1:]...)
		was := resolve(t, r, req)
		req.Variants = append([]string{core.Control}, rapid.Permutation(names(n)[1:]).Draw(t, "order")...)
		require.Equal(t, was, resolve(t, r, req))
	})
}
