package percent

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rolloutkit/rolloutkit/core"
)

// request is the request of one unit in an experiment with the given variants.
func request(key string, variants ...string) core.Request {
	return core.Request{Experiment: "shop_pill_color", Key: key, Variants: append([]string{core.Control}, variants...)}
}

// resolve wants no error, and returns "outside" for a unit that is.
func resolve(t require.TestingT, r core.Rollout, req core.Request) string {
	d, err := r.Resolve(context.Background(), req)
	if err != nil { // require is slow, and this runs often
		require.NoError(t, err)
	}
	if d.Outside {
		return "outside"
	}
	return cmp.Or(d.Variant, core.Control)
}

func state(t require.TestingT, r core.Rollout, req core.Request) core.State {
	d, err := r.Resolve(context.Background(), req)
	require.NoError(t, err)
	return d.State
}

func TestStateFollowsFromWeights(t *testing.T) {
	for _, test := range []struct {
		rollout core.Rollout
		want    core.State
	}{
		{New(Weights{"control": 100}), core.Off},
		{New(Weights{"control": 100, "red": 0}), core.Off},
		{New(Weights{"control": 99.996, "red": 0.004}), core.Off},
		{New(Weights{"control": 99.99, "red": 0.01}), core.Conditional},
		{New(Weights{"control": 50, "red": 50}), core.Conditional},
		{New(Weights{"blue": 50, "red": 50}), core.Conditional},
		{New(Weights{"blue": 0.01, "red": 99.99}), core.Conditional},
		{New(Weights{"red": 100}), core.On},
		{New(Weights{"control": 0, "blue": 0, "red": 100}), core.On},
		{Include(0, Weights{"red": 100}), core.Off},
		{Include(0.004, Weights{"red": 100}), core.Off},
		{Include(20, Weights{"control": 100}), core.Off},
		{Include(20, Weights{"red": 100}), core.Conditional},
		{Include(100, Weights{"red": 100}), core.On},
		{Include(100, Weights{"control": 50, "red": 50}), core.Conditional},
		{new(Rollout), core.Off},
	} {
		for _, key := range []string{"a", "b", "c"} {
			require.Equal(t, test.want, state(t, test.rollout, request(key, "blue", "red")), "%+v", test.rollout)
		}
	}
}

func TestWeightsThatSumTo100AreNotBlamedForIt(t *testing.T) {
	err := New(Weights{"control": 110, "red": -10}).Validate("shop_pill_color", []string{"control", "red"})
	require.ErrorContains(t, err, "110 is not allowed")
	require.NotContains(t, err.Error(), "sum")
}

func TestBadWeightsSayWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		rollout core.Rollout
		want    []string
	}{
		{New(nil), []string{"the weights () sum to 0 % after rounding", "have to sum to 100 %"}},
		{New(Weights{"control": 33.33, "red": 33.33, "blue": 33.33}),
			[]string{"(blue 33.33 %, control 33.33 %, red 33.33 %) sum to 99.99 % after rounding"}},
		{New(Weights{"control": 33.335, "red": 33.335, "blue": 33.335}), []string{"sum to 100.02 % after rounding"}},
		{New(Weights{"control": 50, "red": 51}), []string{"sum to 101 %"}},
		{New(Weights{"control": 110, "red": -10}), []string{`the weight of "control": 110 is not allowed`,
			`the weight of "red": -10 is not allowed`, "a number from 0 to 100"}},
		{New(Weights{"control": 50, "red": math.NaN()}), []string{`the weight of "red": NaN is not allowed`, "sum to NaN %"}},
		{New(Weights{"control": 50, "red": math.Inf(1)}), []string{`the weight of "red": +Inf is not allowed`, "sum to +Inf %"}},
		{New(Weights{"control": 1e300}), []string{"is not allowed"}},
		{New(Weights{"control": 100, "red": -1}), []string{`the weight of "red": -1 is not allowed`}},
		{New(Weights{"control": 100.001}), []string{"100.001 is not allowed"}},
		{Include(-1, Weights{"red": 100}), []string{"the percentage to include: -1 is not allowed"}},
		{Include(math.NaN(), Weights{"red": 100}), []string{"the percentage to include: NaN"}},
		{Include(101, Weights{"red": 100}), []string{"the percentage to include: 101"}},
		{Include(20, Weights{"red": 99}), []string{"sum to 99 %"}},
		{Behind(New(Weights{"red": 100}), Weights{"red": 99}), []string{"sum to 99 %"}},
		{Random(Weights{"red": 99}), []string{"sum to 99 %"}},
		{RoundRobin(new(counter), Weights{"red": 99}), []string{"sum to 99 %"}},
	} {
		valid := test.rollout.(core.Validator).Validate("shop_pill_color", []string{"control", "red", "blue"})
		require.Error(t, valid)
		d, err := test.rollout.Resolve(context.Background(), request("k", "red", "blue"))
		require.Error(t, err)
		require.Zero(t, d)
		for _, want := range test.want {
			require.Contains(t, valid.Error(), "percent: ")
			require.Contains(t, valid.Error(), want)
			require.Contains(t, err.Error(), want)
		}
	}
}

func TestWeightsAreRoundedOnce(t *testing.T) {
	for _, w := range []Weights{
		{"control": 33.33, "red": 33.33, "blue": 33.34},
		{"control": 33.331, "red": 33.329, "blue": 33.339},
		{"control": 0.1 + 0.2, "red": 99.7},
		{"control": 28.999999, "red": 71.0000001},
	} {
		require.NoError(t, New(w).Validate("e", []string{"control", "red", "blue"}))
	}
	require.Equal(t, "blue 33.34 %, control 33.33 %, red 33.33 %",
		Weights{"control": 33.331, "red": 33.329, "blue": 33.339}.String())
}

func TestNamesTheExperimentLacksAreRefused(t *testing.T) {
	w := Weights{"control": 50, "green": 50, "grey": 0}
	for _, r := range []core.Validator{
		New(w), Include(10, w), Behind(New(Weights{"other": 100}), w), Random(w), RoundRobin(new(counter), w),
	} {
		err := r.Validate("shop_pill_color", []string{"control", "red"})
		require.ErrorIs(t, err, core.ErrUnknownVariant)
		require.ErrorContains(t, err, `the weights name "green": unknown variant; the variants are ["control" "red"]`)
		require.ErrorContains(t, err, `the weights name "grey"`)
		require.NoError(t, r.Validate("shop_pill_color", []string{"control", "green", "grey", "red"}))
	}
}

func TestDefineRefusesBadWeights(t *testing.T) {
	client, err := core.New(core.Config{KeySecret: make([]byte, 32)})
	require.NoError(t, err)
	_, err = core.Define(client, core.Definition[string, string]{
		Name: "pill_color", Unit: core.Actor[string],
		Variants: []core.Variant[string, string]{{Name: "red"}},
		Rollout:  New(Weights{"control": 50, "red": 49.994}),
	})
	require.EqualError(t, err, `core: experiment "pill_color": percent: the weights (control 50 %, red 49.99 %) `+
		`sum to 99.99 % after rounding; they have to sum to 100 %`)
}

func TestNewCopiesWeights(t *testing.T) {
	w := Weights{"control": 100}
	r := New(w)
	delete(w, "control")
	w["red"] = 100
	require.Equal(t, core.Off, state(t, r, request("k", "red")))
}

func TestAllOrNothingIsExact(t *testing.T) {
	const units = 100_000
	some := New(Weights{"control": 50, "blue": 50, "red": 0})
	all := New(Weights{"red": 100, "blue": 0})
	mid := New(Weights{"a": 0, "b": 100, "c": 0})
	never := Include(100, Weights{"control": 0, "red": 50, "blue": 50})
	for i := range units {
		key := fmt.Sprint(i)
		if v := resolve(t, some, request(key, "blue", "red")); v == "red" {
			t.Fatalf("%s: 0 matched", key)
		}
		if v := resolve(t, all, request(key, "blue", "red")); v != "red" {
			t.Fatalf("%s: 100 did not match: %s", key, v)
		}
		if v := resolve(t, mid, request(key, "a", "b", "c")); v != "b" {
			t.Fatalf("%s: 100 did not match: %s", key, v)
		}
		if v := resolve(t, never, request(key, "blue", "red")); v == core.Control || v == "outside" {
			t.Fatalf("%s: 0 matched: %s", key, v)
		}
	}
}

// The ends of the line themselves, which no test by chance would hit.
func TestCutsAreStrict(t *testing.T) {
	last := core.Point(math.MaxUint64)
	at := func(parts uint64) core.Point { // the first point at or above
		quotient, remainder := bits.Div64(parts, 0, whole)
		return core.Point(quotient + min(remainder, 1))
	}
	one := New(Weights{"control": 99.99, "red": 0.01})
	require.Equal(t, "red", one.variant([]string{"control", "red"}, at(1)-1, 0))
	require.Equal(t, "control", one.variant([]string{"control", "red"}, at(1), 0))
	two := New(Weights{"control": 99.98, "blue": 0.01, "red": 0.01})
	require.Equal(t, "blue", two.variant([]string{"control", "red", "blue"}, at(1)-1, 0))
	require.Equal(t, "control", two.variant([]string{"control", "red", "blue"}, at(1), 0))
	require.Equal(t, "control", two.variant([]string{"control", "red", "blue"}, at(9999)-1, 0))
	require.Equal(t, "red", two.variant([]string{"control", "red", "blue"}, at(9999), 0))
	require.Equal(t, "red", two.variant([]string{"control", "red", "blue"}, last, 0))
	three := New(Weights{"control": 97, "a": 1, "b": 1, "c": 1})
	names := []string{"control", "a", "b", "c"}
	require.Equal(t, "control", three.variant(names, at(300), last))
	require.Equal(t, "c", three.variant(names, at(300)-1, last))
	require.Equal(t, "a", three.variant(names, at(300)-1, 0))
	require.Equal(t, "b", three.variant(names, 0, 1<<63))
}

func TestSplitHoldsWithinFourSigma(t *testing.T) {
	const units = 100_000
	for _, w := range []Weights{
		{"control": 90, "v0": 10},
		{"control": 25, "v0": 30, "v1": 45},
		{"control": 0.5, "v0": 99, "v1": 0.5},
		{"v0": 50, "v1": 50},
		{"control": 10, "v0": 20, "v1": 30, "v2": 40},
		{"v0": 1, "v1": 2, "v2": 3, "v3": 4, "v4": 90},
	} {
		requireSplit(t, New(w), w, 100, units)
		requireSplit(t, Include(20, w), w, 20, units)
	}
}

// requireSplit wants units to split by w, within four sigma, among the given
// percentage of them.
func requireSplit(t *testing.T, r core.Rollout, w Weights, percent float64, units int) {
	t.Helper()
	var variants []string
	for i := range 6 {
		if name := fmt.Sprintf("v%d", i); w[name] > 0 {
			variants = append(variants, name)
		}
	}
	counts := map[string]int{}
	for i := range units {
		counts[resolve(t, r, request(fmt.Sprint(i), variants...))]++
	}
	require.Equal(t, percent < 100, counts["outside"] > 0)
	requireShare(t, counts["outside"], units, 1-percent/100)
	for _, name := range append(variants, core.Control) {
		requireShare(t, counts[name], units, percent/100*w[name]/100)
	}
}

func requireShare(t *testing.T, n, units int, share float64) {
	t.Helper()
	total := float64(units)
	require.InDelta(t, total*share, n, 4*math.Sqrt(total*share*(1-share)))
}

func TestExperimentsSplitIndependently(t *testing.T) {
	const units = 100_000
	r := New(Weights{"control": 50, "red": 50})
	both := map[string]int{}
	for i := range units {
		one, other := request(fmt.Sprint(i), "red"), request(fmt.Sprint(i), "red")
		other.Experiment = "shop_pill_size"
		both[resolve(t, r, one)+" "+resolve(t, r, other)]++
	}
	require.Len(t, both, 4)
	for _, n := range both {
		requireShare(t, n, units, 0.25)
	}
}

func TestInclusionIsIndependentOfChoice(t *testing.T) {
	w := Weights{"control": 50, "red": 50}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		got := resolve(t, Include(rapid.Float64Range(0.01, 100).Draw(t, "percent"), w), request(key, "red"))
		if got != "outside" {
			require.Equal(t, resolve(t, New(w), request(key, "red")), got)
		}
	})
}

// A switch from the default rollout to weights must not move anybody, since an
// open control would be taken for ramped.
func TestEqualWeightsAgreeWithEven(t *testing.T) {
	for _, w := range []Weights{
		{"control": 50, "v0": 50},
		{"control": 25, "v0": 25, "v1": 25, "v2": 25},
		{"control": 20, "v0": 20, "v1": 20, "v2": 20, "v3": 20},
		{"control": 12.5, "v0": 12.5, "v1": 12.5, "v2": 12.5, "v3": 12.5, "v4": 12.5, "v5": 12.5, "v6": 12.5},
	} {
		var variants []string
		for i := range len(w) - 1 {
			variants = append(variants, fmt.Sprintf("v%d", i))
		}
		r := New(w)
		for i := range 10_000 {
			req := request(fmt.Sprint(i), variants...)
			require.Equal(t, resolve(t, core.Even, req), resolve(t, r, req))
		}
	}
	thirds, moved := New(Weights{"control": 33.34, "v0": 33.33, "v1": 33.33}), 0
	for i := range 100_000 {
		req := request(fmt.Sprint(i), "v0", "v1")
		if resolve(t, core.Even, req) != resolve(t, thirds, req) {
			moved++
		}
	}
	require.Less(t, moved, 30, "thirds differ by rounding only: 0.007 %")
}

func TestResolveDoesNotAllocate(t *testing.T) {
	req := request("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "a", "b", "c")
	two := req
	two.Variants = req.Variants[:3]
	ctx := context.Background()
	w := Weights{"control": 40, "a": 60}
	for _, r := range []core.Rollout{
		New(w), Include(50, w), New(Weights{"a": 50, "b": 50}), New(Weights{"a": 50, "b": 20, "c": 20, "control": 10}),
		Behind(New(w), Weights{"b": 50, "control": 50}),
	} {
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = r.Resolve(ctx, req) }))
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = r.Resolve(ctx, two) }))
	}
}

// A request without variants breaks the contract, but is no reason to place a
// unit elsewhere where the weights name all.
func TestRequestWithoutVariants(t *testing.T) {
	for _, w := range []Weights{{"control": 50, "v0": 50}, {"v0": 50, "v1": 50}, {"v0": 50, "v1": 25, "v2": 25}} {
		r := New(w)
		for i := range 100 {
			req := request(fmt.Sprint(i), names(3)[1:]...)
			for len(req.Variants) > 1 && w[req.Variants[len(req.Variants)-1]] == 0 {
				req.Variants = req.Variants[:len(req.Variants)-1]
			}
			bare := req
			bare.Variants = nil
			require.Equal(t, resolve(t, r, req), resolve(t, r, bare))
		}
	}
}

func TestDescribeIsCanonical(t *testing.T) {
	w := Weights{"control": 25, "red": 30, "blue": 45}
	flag := core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) { return core.Decision{}, nil })
	for want, r := range map[string]core.Describer{
		"blue 45 %, control 25 %, red 30 %":                                                  New(w),
		"12.5 % take part: control 33.33 %, red 66.67 %":                                     Include(12.5, Weights{"red": 66.67, "control": 33.33}),
		"behind even (equal shares, control included): blue 45 %, control 25 %, red 30 %":    Behind(core.Even, w),
		"behind core.RolloutFunc: blue 45 %, control 25 %, red 30 %; unselected are outside": Behind(flag, w, UnselectedOutside),
		"random, alike": Random(),
		"random: blue 45 %, control 25 %, red 30 %; every time anew": Random(EveryTime, w),
		"round robin, alike":                             RoundRobin(new(counter)),
		"round robin: blue 45 %, control 25 %, red 30 %": RoundRobin(new(counter), w),
	} {
		require.Equal(t, "percent", r.Describe().Name)
		require.Equal(t, want, r.Describe().Detail)
	}
}

func BenchmarkResolve(b *testing.B) {
	req := request("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "a", "b", "c")
	for name, r := range map[string]core.Rollout{
		"new":     New(Weights{"control": 40, "a": 20, "b": 20, "c": 20}),
		"include": Include(50, Weights{"control": 40, "a": 20, "b": 20, "c": 20}),
		"behind":  Behind(New(Weights{"a": 100}), Weights{"control": 40, "a": 20, "b": 20, "c": 20}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.Resolve(context.Background(), req)
			}
		})
	}
}
