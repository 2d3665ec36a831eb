package percent

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// answers is a flag that gives everybody the same answer.
func answers(d core.Decision) core.Rollout {
	return core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) { return d, nil })
}

func TestBehindPassesOnWhatTheFlagSays(t *testing.T) {
	w := Weights{"control": 50, "red": 50}
	ctx, req := context.Background(), request("k", "red")
	for _, d := range []core.Decision{
		{State: core.Off, Reason: "disabled"},
		{State: core.Conditional, Outside: true, Reason: "holdout"},
		{State: core.Conditional, Variant: core.Control, Reason: "no match"},
		{State: core.Conditional, Reason: "no match"},
		{State: core.On, Variant: core.Control}, // wrong, and the core says so
	} {
		got, err := Behind(answers(d), w).Resolve(ctx, req)
		require.NoError(t, err)
		require.Equal(t, d, got)
	}
	cause := errors.New("no such flag")
	failing := core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
		return core.Decision{State: core.On}, cause
	})
	d, err := Behind(failing, w).Resolve(ctx, req)
	require.ErrorIs(t, err, cause)
	require.Zero(t, d)
	_, err = Behind(failing, Weights{"control": 100}).Resolve(ctx, req)
	require.ErrorIs(t, err, cause, "a flag that is absent is found out whatever the weights are")
}

func TestBehindLeavesTheUnselectedOutside(t *testing.T) {
	flag := answers(core.Decision{State: core.Conditional, Variant: core.Control, Reason: "no match"})
	d, err := Behind(flag, Weights{"red": 100}, UnselectedOutside).Resolve(context.Background(), request("k", "red"))
	require.NoError(t, err)
	require.True(t, d.Outside)
	require.Equal(t, core.Conditional, d.State)
	require.Equal(t, "no match", d.Reason)
}

func TestBehindState(t *testing.T) {
	for _, test := range []struct {
		flag core.State
		w    Weights
		want core.State
	}{
		{core.Off, Weights{"red": 100}, core.Off},
		{core.Conditional, Weights{"red": 100}, core.Conditional},
		{core.Conditional, Weights{"control": 50, "red": 50}, core.Conditional},
		{core.Conditional, Weights{"control": 100}, core.Off},
		{core.On, Weights{"red": 100}, core.On},
		{core.On, Weights{"control": 50, "red": 50}, core.Conditional},
		{core.On, Weights{"control": 100}, core.Off},
		{core.State(9), Weights{"control": 50, "red": 50}, core.State(9)}, // wrong, and the core says so
	} {
		flag := answers(core.Decision{State: test.flag, Variant: core.AnyVariant, Reason: "why"})
		d, err := Behind(flag, test.w).Resolve(context.Background(), request("k", "red"))
		require.NoError(t, err)
		require.Equal(t, test.want, d.State, "%v %v", test.flag, test.w)
		require.Equal(t, "why", d.Reason)
	}
}

func TestBehindSplitsWhomTheFlagSelects(t *testing.T) {
	const units = 100_000
	w := Weights{"control": 25, "blue": 45, "red": 30}
	for _, selected := range []string{core.AnyVariant, "red", "a name of its own"} {
		r := Behind(answers(core.Decision{State: core.On, Variant: selected}), w)
		counts := map[string]int{}
		for i := range units {
			counts[resolve(t, r, request(fmt.Sprint(i), "red", "blue"))]++
		}
		for name, percent := range w {
			requireShare(t, counts[name], units, percent/100)
		}
	}
}

func TestBehindIsIndependentOfItsFlag(t *testing.T) {
	const units = 100_000
	half := Weights{"control": 50, "red": 50}
	once := Behind(New(half), half, UnselectedOutside)
	twice := Behind(once, half, UnselectedOutside)
	thrice := Behind(twice, half, UnselectedOutside)
	for _, test := range []struct {
		rollout core.Rollout
		share   float64 // that gets red
	}{
		{once, 1. / 4},
		{twice, 1. / 8},
		{thrice, 1. / 16},
		{Behind(Include(50, half), half), 1. / 8},
		{Behind(core.Even, half), 1. / 4},
	} {
		n := 0
		for i := range units {
			if resolve(t, test.rollout, request(fmt.Sprint(i), "red")) == "red" {
				n++
			}
		}
		requireShare(t, n, units, test.share)
	}
}

func TestBehindAFlagThatDraws(t *testing.T) {
	w := Weights{"control": 50, "red": 50}
	for _, flag := range []core.Rollout{Random(), Random(EveryTime), RoundRobin(new(counter)),
		core.RolloutFunc(Random().Resolve)} {
		r := Behind(flag, w)
		_, err := r.Resolve(context.Background(), request("k", "red"))
		require.ErrorContains(t, err, "the flag of Behind draws")
		if _, ok := flag.(*Drawn); ok {
			require.ErrorContains(t, r.Validate("e", []string{"control", "red"}), "the flag of Behind draws")
		}
	}
}

func TestBehindValidatesItsFlag(t *testing.T) {
	w, variants := Weights{"control": 50, "red": 50}, []string{"control", "red"}
	require.NoError(t, Behind(core.Even, w).Validate("e", variants))
	require.NoError(t, Behind(New(Weights{"control": 80, "on": 20}), w).Validate("e", variants), "only whom it selects counts")
	require.ErrorContains(t, Behind(New(Weights{"on": 20}), w).Validate("e", variants), "the flag of Behind: the weights (on 20 %) sum to 20 %")
	require.ErrorContains(t, Behind(Behind(New(nil), w), w).Validate("e", variants), "sum to 0 %")
	require.ErrorContains(t, Behind(nil, w).Validate("e", variants), "the flag of Behind is nil")
	for _, opt := range []Option{EveryTime, Weights{"red": 100}} {
		require.ErrorContains(t, Behind(core.Even, w, opt).Validate("e", variants), "the option UnselectedOutside only")
	}
	_, err := Behind(nil, w).Resolve(context.Background(), request("k", "red"))
	require.ErrorContains(t, err, "nil")
}

func TestBehindDescribesWhatItsFlagCan(t *testing.T) {
	w := Weights{"control": 50, "red": 50}
	require.Nil(t, Behind(answers(core.Decision{}), w).Describe().Capabilities, "the flag says nothing of them")
	require.ElementsMatch(t, New(w).Describe().Capabilities, Behind(New(w), w).Describe().Capabilities)
	require.ElementsMatch(t, []core.Capability{core.NamesVariants, core.ExactWeights, core.Reloads, core.ReportsMissing},
		Behind(describing{core.Targets, core.Reloads, core.ReportsMissing}, w).Describe().Capabilities)
	require.True(t, Behind(Random(), w).Describe().NeedsStore)
}

// describing is a flag with the given capabilities.
type describing []core.Capability

func (d describing) Resolve(context.Context, core.Request) (core.Decision, error) {
	return core.Decision{}, nil
}

func (d describing) Describe() core.Description { return core.Description{Capabilities: d} }
