package percent_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

var half = weights{"control": 50, "red": 50}

// answers is a flag that gives everybody the same answer.
func answers(d core.Decision) core.Rollout {
	return core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) { return d, nil })
}

func TestBehindPassesOnWhatTheFlagSays(t *testing.T) {
	for _, d := range []core.Decision{
		{State: core.Off, Reason: "disabled"},
		{State: core.Conditional, Outside: true, Reason: "holdout"},
		{State: core.Conditional, Variant: core.Control, Reason: "no match"},
		{State: core.Conditional, Reason: "no match"},
		{State: core.On, Variant: core.Control}, // wrong, and the core says so
	} {
		t.Run(fmt.Sprintf("%+v", d), func(t *testing.T) {
			got, err := percent.Behind(answers(d), half).Resolve(ctx, request("k", "red"))
			require.NoError(t, err)
			require.Equal(t, d, got)
		})
	}
	t.Run("an error, whatever the weights are", func(t *testing.T) {
		cause := errors.New("no such flag")
		failing := core.RolloutFunc(func(context.Context, core.Request) (core.Decision, error) {
			return core.Decision{State: core.On}, cause
		})
		for _, w := range []weights{half, {"control": 100}} {
			d, err := percent.Behind(failing, w).Resolve(ctx, request("k", "red"))
			require.ErrorIs(t, err, cause)
			require.Zero(t, d)
		}
	})
	t.Run("the flag itself", func(t *testing.T) {
		require.Equal(t, core.Even, percent.Behind(core.Even, half).(interface{ Unwrap() core.Rollout }).Unwrap())
	})
}

func TestBehindLeavesTheUnselectedOutside(t *testing.T) {
	flag := answers(core.Decision{State: core.Conditional, Variant: core.Control, Reason: "no match"})
	d, err := percent.Behind(flag, weights{"red": 100}, percent.UnselectedOutside).Resolve(ctx, request("k", "red"))
	require.NoError(t, err)
	require.Equal(t, core.Decision{State: core.Conditional, Variant: core.Control, Outside: true, Reason: "no match"}, d)
}

func TestBehindState(t *testing.T) {
	for _, c := range []struct {
		flag core.State
		w    weights
		want core.State
	}{
		{core.Off, weights{"red": 100}, core.Off},
		{core.Conditional, weights{"red": 100}, core.Conditional},
		{core.Conditional, half, core.Conditional},
		{core.Conditional, weights{"control": 100}, core.Off},
		{core.On, weights{"red": 100}, core.On},
		{core.On, half, core.Conditional},
		{core.On, weights{"control": 100}, core.Off},
		{core.State(9), half, core.State(9)}, // wrong, and the core says so
	} {
		t.Run(fmt.Sprint(c.flag, " ", c.w), func(t *testing.T) {
			flag := answers(core.Decision{State: c.flag, Variant: core.AnyVariant, Reason: "why"})
			d, err := percent.Behind(flag, c.w).Resolve(ctx, request("k", "red"))
			require.NoError(t, err)
			require.Equal(t, c.want, d.State)
			require.Equal(t, "why", d.Reason)
		})
	}
}

func TestBehindIsIndependentOfItsFlag(t *testing.T) {
	once := percent.Behind(percent.New(half), half, percent.UnselectedOutside)
	twice := percent.Behind(once, half, percent.UnselectedOutside)
	for _, c := range []struct {
		rollout core.Rollout
		want    map[string]float64
	}{
		{once, map[string]float64{"red": 25, "control": 25, "outside": 50}},
		{twice, map[string]float64{"red": 12.5, "control": 12.5, "outside": 75}},
		{percent.Behind(twice, half, percent.UnselectedOutside), map[string]float64{"red": 6.25, "control": 6.25, "outside": 87.5}},
		{percent.Behind(percent.Include(50, half), half), map[string]float64{"red": 12.5, "control": 37.5, "outside": 50}},
		{percent.Behind(answers(core.Decision{State: core.On, Variant: "a name of its own"}), half), half},
		{percent.Behind(core.Even, half), map[string]float64{"red": 25, "control": 75}},
	} {
		t.Run(c.rollout.(core.Describer).Describe().Detail, func(t *testing.T) { requireShares(t, c.rollout, c.want, "red") })
	}
}

func TestBehindRefusesWrongArguments(t *testing.T) {
	const draws = "the flag of Behind draws"
	for _, c := range []struct {
		rollout core.Rollout
		want    string
	}{
		{percent.Behind(nil, half), "the flag of Behind is nil"},
		{percent.Behind(core.Even, half, percent.EveryTime), "the option UnselectedOutside only"},
		{percent.Behind(core.Even, half, weights{"red": 100}), "the option UnselectedOutside only"},
		{percent.Behind(percent.New(weights{"on": 20}), half), "the weights (on 20 %) sum to 20 %"},
		{percent.Behind(percent.Behind(percent.New(nil), half), half), "sum to 0 %"},
		{percent.Behind(percent.Random(), half), draws},
		{percent.Behind(percent.Random(percent.EveryTime), half), draws},
		{percent.Behind(percent.RoundRobin(new(counter)), half), draws},
	} {
		t.Run(c.want, func(t *testing.T) {
			require.ErrorContains(t, validate(c.rollout, "red"), c.want)
			_, err := c.rollout.Resolve(ctx, request("k", "red"))
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := percent.Behind(core.RolloutFunc(percent.Random().Resolve), half).Resolve(ctx, request("k", "red"))
	require.ErrorContains(t, err, draws, "hidden in a wrapper")
	require.NoError(t, validate(percent.Behind(core.Even, half), "red"))
	require.NoError(t, validate(percent.Behind(percent.New(weights{"control": 80, "on": 20}), half), "red"), "only whom it selects counts")
}

// describing is a flag with the given capabilities.
type describing struct {
	core.Rollout
	can []core.Capability
}

func (d describing) Describe() core.Description { return core.Description{Capabilities: d.can} }

func TestBehindDescribesWhatItsFlagCan(t *testing.T) {
	behind := func(flag core.Rollout) core.Description {
		return percent.Behind(flag, half).(core.Describer).Describe()
	}
	require.Nil(t, behind(answers(core.Decision{})).Capabilities, "the flag says nothing of them")
	require.ElementsMatch(t, percent.New(half).Describe().Capabilities, behind(percent.New(half)).Capabilities)
	require.ElementsMatch(t, []core.Capability{core.NamesVariants, core.ExactWeights, core.Reloads, core.ReportsMissing},
		behind(describing{core.Even, []core.Capability{core.Targets, core.Reloads, core.ReportsMissing}}).Capabilities)
	require.True(t, behind(percent.Random()).NeedsStore)
}
