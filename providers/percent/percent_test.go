package percent_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

func TestStateFollowsFromWeights(t *testing.T) {
	for _, c := range []struct {
		rollout *percent.Rollout
		want    core.State
	}{
		{percent.New(weights{"control": 100}), core.Off},
		{percent.New(weights{"control": 100, "red": 0}), core.Off},
		{percent.New(weights{"control": 99.996, "red": 0.004}), core.Off},
		{percent.New(weights{"control": 99.99, "red": 0.01}), core.Conditional},
		{percent.New(weights{"control": 50, "red": 50}), core.Conditional},
		{percent.New(weights{"blue": 50, "red": 50}), core.Conditional},
		{percent.New(weights{"blue": 0.01, "red": 99.99}), core.Conditional},
		{percent.New(weights{"red": 100}), core.On},
		{percent.New(weights{"control": 0, "blue": 0, "red": 100}), core.On},
		{percent.Include(0, weights{"red": 100}), core.Off},
		{percent.Include(0.004, weights{"red": 100}), core.Off},
		{percent.Include(20, weights{"control": 100}), core.Off},
		{percent.Include(20, weights{"red": 100}), core.Conditional},
		{percent.Include(100, weights{"red": 100}), core.On},
		{percent.Include(100, weights{"control": 50, "red": 50}), core.Conditional},
		{new(percent.Rollout), core.Off},
	} {
		t.Run(c.rollout.Describe().Detail, func(t *testing.T) {
			for _, key := range []string{"a", "b", "c"} {
				d, err := c.rollout.Resolve(ctx, request(key, "blue", "red"))
				require.NoError(t, err)
				require.Equal(t, c.want, d.State)
			}
		})
	}
}

func TestBadWeightsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		rollout core.Rollout
		want    []string
	}{
		{percent.New(nil), []string{"the weights () sum to 0 % after rounding", "have to sum to 100 %"}},
		{percent.New(weights{"control": 33.335, "red": 33.335, "blue": 33.335}), []string{"sum to 100.02 % after rounding"}},
		{percent.New(weights{"control": 50, "red": 51}), []string{"(control 50 %, red 51 %) sum to 101 %"}},
		{percent.New(weights{"control": 110, "red": -10}), []string{`the weight of "control": 110 is not allowed`,
			`the weight of "red": -10 is not allowed`, "a number from 0 to 100"}},
		{percent.New(weights{"control": 50, "red": math.NaN()}), []string{`the weight of "red": NaN is not allowed`, "sum to NaN %"}},
		{percent.New(weights{"control": 50, "red": math.Inf(1)}), []string{`the weight of "red": +Inf is not allowed`, "sum to +Inf %"}},
		{percent.New(weights{"control": 1e300}), []string{"is not allowed"}},
		{percent.New(weights{"control": 100.001}), []string{"100.001 is not allowed"}},
		{percent.Include(-1, weights{"red": 100}), []string{"the percentage to include: -1 is not allowed"}},
		{percent.Include(math.NaN(), weights{"red": 100}), []string{"the percentage to include: NaN"}},
		{percent.Include(101, weights{"red": 100}), []string{"the percentage to include: 101"}},
		{percent.Include(20, weights{"red": 99}), []string{"sum to 99 %"}},
		{percent.Behind(percent.New(weights{"red": 100}), weights{"red": 99}), []string{"sum to 99 %"}},
		{percent.Random(weights{"red": 99}), []string{"sum to 99 %"}},
		{percent.RoundRobin(new(counter), weights{"red": 99}), []string{"sum to 99 %"}},
	} {
		t.Run(c.want[0], func(t *testing.T) {
			d, err := c.rollout.Resolve(ctx, request("k", "red", "blue"))
			require.Zero(t, d)
			valid := validate(c.rollout, "red", "blue")
			require.ErrorContains(t, valid, "percent: ")
			for _, want := range c.want {
				require.ErrorContains(t, valid, want)
				require.ErrorContains(t, err, want)
			}
		})
	}
	err := validate(percent.New(weights{"control": 110, "red": -10}), "red")
	require.NotContains(t, err.Error(), "sum", "weights that sum to 100 are not blamed for it")
}

func TestWeightsAreRoundedOnce(t *testing.T) {
	for _, w := range []weights{
		{"control": 33.33, "red": 33.33, "blue": 33.34},
		{"control": 33.331, "red": 33.329, "blue": 33.339},
		{"control": 0.1 + 0.2, "red": 99.7},
		{"control": 28.999999, "red": 71.0000001},
	} {
		require.NoError(t, validate(percent.New(w), "red", "blue"))
	}
	require.Equal(t, "blue 33.34 %, control 33.33 %, red 33.33 %", weights{"control": 33.331, "red": 33.329, "blue": 33.339}.String())
}

func TestNamesTheExperimentLacksAreRefused(t *testing.T) {
	w := weights{"control": 50, "green": 50, "grey": 0}
	for name, r := range map[string]core.Rollout{
		"New": percent.New(w), "Include": percent.Include(10, w), "Behind": percent.Behind(percent.New(weights{"other": 100}), w),
		"Random": percent.Random(w), "RoundRobin": percent.RoundRobin(new(counter), w),
	} {
		t.Run(name, func(t *testing.T) {
			err := validate(r, "red")
			require.ErrorIs(t, err, core.ErrUnknownVariant)
			require.ErrorContains(t, err, `the weights name "green": unknown variant; the variants are ["control" "red"]`)
			require.ErrorContains(t, err, `the weights name "grey"`)
			require.NoError(t, validate(r, "green", "grey", "red"))
		})
	}
}

func TestNewCopiesWeights(t *testing.T) {
	w := weights{"control": 100}
	r := percent.New(w)
	delete(w, "control")
	w["red"] = 100
	require.Equal(t, core.Control, resolve(t, r, request("k", "red")))
}

func TestUnitsAreSplitByWeight(t *testing.T) {
	for _, w := range []weights{
		{"control": 90, "v0": 10},
		{"control": 25, "v0": 30, "v1": 45},
		{"control": 0.5, "v0": 99, "v1": 0.5},
		{"control": 0, "v0": 50, "v1": 50},
		{"control": 10, "v0": 20, "v1": 30, "v2": 40},
		{"control": 0, "v0": 1, "v1": 2, "v2": 3, "v3": 4, "v4": 90},
		{"control": 50, "v0": 50, "v1": 0},
		{"control": 0, "v0": 0, "v1": 100},
		{"control": 0, "v0": 0, "v1": 100, "v2": 0},
	} {
		t.Run(w.String(), func(t *testing.T) {
			variants := names(len(w) - 1)
			requireShares(t, percent.New(w), w, variants...)
			some := map[string]float64{"outside": 80}
			for name, share := range w {
				some[name] = share / 5
			}
			requireShares(t, percent.Include(20, w), some, variants...)
		})
	}
}

// A switch from the default rollout to weights must not move anybody, since an
// open control would be taken for ramped.
func TestEqualWeightsAgreeWithEven(t *testing.T) {
	moved := func(w weights, variants []string) (n int) {
		r := percent.New(w)
		for i := range 20_000 {
			req := request(fmt.Sprint(i), variants...)
			if resolve(t, core.Even, req) != resolve(t, r, req) {
				n++
			}
		}
		return n
	}
	for _, n := range []int{1, 3, 4, 7} {
		t.Run(fmt.Sprint(n, " variants"), func(t *testing.T) {
			w := weights{core.Control: 100 / float64(n+1)}
			for _, name := range names(n) {
				w[name] = w[core.Control]
			}
			require.Zero(t, moved(w, names(n)))
		})
	}
	require.Less(t, moved(weights{"control": 33.34, "v0": 33.33, "v1": 33.33}, names(2)), 10, "thirds differ by rounding only: 0.007 %")
}

func TestDescribeIsCanonical(t *testing.T) {
	w := weights{"control": 25, "red": 30, "blue": 45}
	for want, r := range map[string]core.Rollout{
		"blue 45 %, control 25 %, red 30 %":                                                  percent.New(w),
		"12.5 % take part: control 33.33 %, red 66.67 %":                                     percent.Include(12.5, weights{"red": 66.67, "control": 33.33}),
		"behind even (equal shares, control included): blue 45 %, control 25 %, red 30 %":    percent.Behind(core.Even, w),
		"behind core.RolloutFunc: blue 45 %, control 25 %, red 30 %; unselected are outside": percent.Behind(answers(core.Decision{}), w, percent.UnselectedOutside),
		"random, alike": percent.Random(),
		"random: blue 45 %, control 25 %, red 30 %; every time anew": percent.Random(percent.EveryTime, w),
		"round robin, alike":                             percent.RoundRobin(new(counter)),
		"round robin: blue 45 %, control 25 %, red 30 %": percent.RoundRobin(new(counter), w),
	} {
		t.Run(want, func(t *testing.T) {
			d := r.(core.Describer).Describe()
			require.Equal(t, "percent", d.Name)
			require.Equal(t, want, d.Detail)
		})
	}
}

func TestResolveDoesNotAllocate(t *testing.T) {
	w := weights{"control": 40, "a": 60}
	for _, r := range []core.Rollout{
		percent.New(w), percent.Include(50, w), percent.New(weights{"a": 50, "b": 50}),
		percent.New(weights{"a": 50, "b": 20, "c": 20, "control": 10}), percent.Behind(percent.New(w), weights{"b": 50, "control": 50}),
	} {
		for _, variants := range [][]string{{"a", "b"}, {"a", "b", "c"}} {
			req := request(fmt.Sprintf("%064x", 1), variants...)
			require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = r.Resolve(ctx, req) }))
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	req, w := request(fmt.Sprintf("%064x", 1), "a", "b", "c"), weights{"control": 40, "a": 20, "b": 20, "c": 20}
	for name, r := range map[string]core.Rollout{
		"new": percent.New(w), "include": percent.Include(50, w), "behind": percent.Behind(percent.New(weights{"a": 100}), w),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.Resolve(ctx, req)
			}
		})
	}
}
