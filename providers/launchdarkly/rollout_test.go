package launchdarkly

import (
	"context"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldhooks"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestFlagKeys(t *testing.T) {
	client, _, _ := flagsOf(t, flag("shop.pill").FallthroughVariation(1).Build())
	r := New(client, &Options{Flag: func(experiment string) string { return strings.ReplaceAll(experiment, "/", ".") }})
	require.NoError(t, r.Validate("shop/pill", nil))
	d, err := r.Resolve(t.Context(), request("shop/pill", "k"))
	require.NoError(t, err)
	require.Equal(t, "red", d.Variant)

	require.ErrorContains(t, New(client, nil).Validate("shop/pill", nil), `"shop/pill" is no flag key`)
	require.NoError(t, New(client, nil).Validate("shop_pill-2.0", nil))
	require.Error(t, New(client, &Options{Flag: func(string) string { return "" }}).Validate("pill", nil))

	_, err = New(client, nil).Resolve(t.Context(), request("elsewhere", "k"))
	require.ErrorIs(t, err, core.ErrFlagNotFound)
}

func TestDescribe(t *testing.T) {
	client, defs, _ := flagsOf(t)
	d := New(client, nil).Describe()
	require.Equal(t, "launchdarkly", d.Name)
	require.Equal(t, "context kind experiment-unit, exposure ours, field variant", d.Detail)
	require.NotContains(t, d.Capabilities, core.ReportsOn)
	d = New(client, &Options{Definitions: defs, Kind: "user", KeyTrait: "id", Exposure: ExposureBoth, Field: "v"}).Describe()
	require.Equal(t, "context kind user, exposure both, field v, key id, with definitions", d.Detail)
	require.Contains(t, d.Capabilities, core.ReportsOn)
	require.Equal(t, "launchdarkly", ExposureLaunchDarkly.String())
	require.Equal(t, "Exposure(9)", Exposure(9).String())
}

// TestExperimentSplit: 20,000 units through an experiment of LaunchDarkly's that
// leaves 40 % out, within four standard deviations.
func TestExperimentSplit(t *testing.T) {
	const units, sigmas = 20_000, 4
	client, defs, _ := flagsOf(t, flag("pill").Fallthrough(trial(40, 10, 20, 30)).Build())
	r := New(client, &Options{Definitions: defs})
	got := map[string]int{}
	for i := range units {
		d, err := r.Resolve(t.Context(), request("pill", "unit-"+strconv.Itoa(i)))
		require.NoError(t, err)
		if d.Outside {
			d.Variant = "outside"
		}
		got[d.Variant]++
	}
	for name, share := range map[string]float64{"control": .1, "red": .2, "blue": .3, "outside": .4} {
		require.InDelta(t, share*units, got[name], sigmas*math.Sqrt(units*share*(1-share)), name)
	}
}

// TestMultiKindSplit: a flag that splits by organization gives all units of one
// the same, and splits organizations.
func TestMultiKindSplit(t *testing.T) {
	client, defs, _ := flagsOf(t, flag("pill").Fallthrough(shareBy("organization", 50, 50)).Build())
	r := New(client, &Options{Definitions: defs, Kinds: map[string]string{"organization": "org"}})
	byOrg, counts := map[string]string{}, map[string]int{}
	for i := range 2000 {
		org := "org-" + strconv.Itoa(i%500)
		d, err := r.Resolve(t.Context(), request("pill", "unit-"+strconv.Itoa(i), core.String("org", org)))
		require.NoError(t, err)
		if first, ok := byOrg[org]; ok {
			require.Equal(t, first, d.Variant)
			continue
		}
		byOrg[org] = d.Variant
		counts[d.Variant]++
	}
	require.InDelta(t, 250, counts["red"], 4*math.Sqrt(500*.25))

	_, err := r.Resolve(t.Context(), request("pill", "unit"))
	require.ErrorContains(t, err, `contexts of kind "organization", and the unit's is "experiment-unit"`)
}

// TestOneEvaluation: a trial evaluates once, with the ctx where the SDK takes
// one.
func TestOneEvaluation(t *testing.T) {
	type mark struct{}
	for _, exposure := range []Exposure{ExposureOurs, ExposureLaunchDarkly, ExposureBoth} {
		t.Run(exposure.String(), func(t *testing.T) {
			var seen []any
			c := newHooked(t, func(s seriesContext) { seen = append(seen, s.ctx.Value(mark{})) }, split3().Build())
			client, err := core.New(core.Config{Rollout: New(c, &Options{Exposure: exposure}), KeySecret: make([]byte, 32)})
			require.NoError(t, err)
			e := core.MustDefine(client, core.Definition[string, string]{
				Name: "pill", Unit: core.Actor[string], Variants: []core.Variant[string, string]{{Name: "red"}, {Name: "blue"}},
			})
			trial := e.For("ann")
			ctx := context.WithValue(t.Context(), mark{}, "here")
			_, err = trial.Run(ctx)
			require.NoError(t, err)
			require.NoError(t, trial.Track(ctx, core.Event{Action: "clicked"}))
			require.NoError(t, trial.Publish(ctx).Err)
			require.Len(t, seen, 1)
			if exposure == ExposureOurs {
				require.Nil(t, seen[0])
			} else {
				require.Equal(t, "here", seen[0])
			}
		})
	}
}

// TestManyGoroutines changes the flag while others evaluate it; -race looks on.
func TestManyGoroutines(t *testing.T) {
	client, defs, source := flagsOf(t, split3().Build())
	r := New(client, &Options{Definitions: defs})
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				d, err := r.Resolve(t.Context(), request("pill", strconv.Itoa(g)+"-"+strconv.Itoa(i)))
				if err != nil || d.State == core.On && d.Variant != "red" {
					t.Errorf("%+v %v", d, err)
					return
				}
			}
		})
	}
	for i := range 100 {
		for _, b := range []*ldbuilders.FlagBuilder{flag("pill").FallthroughVariation(1), split3(), flag("pill").On(false)} {
			source.UsePreconfiguredFlag(b.Version(i).Build())
		}
	}
	close(stop)
	wait.Wait()
}

// TestFlagChangesWithoutListeners: a listener that nobody drains stops updates
// after ten, so the rollout has none; many updates pass, each seen.
func TestFlagChangesWithoutListeners(t *testing.T) {
	client, defs, source := flagsOf(t, flag("pill").Build())
	r := New(client, &Options{Definitions: defs})
	_ = NewTracker(client, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 30 {
			source.UsePreconfiguredFlag(flag("pill").FallthroughVariation(1 + i%2).Build())
			d, err := r.Resolve(t.Context(), request("pill", "k"))
			if err != nil || d.State != core.On || d.Variant != []string{"red", "blue"}[i%2] {
				t.Errorf("update %d: %+v %v", i, d, err)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(watchdog):
		t.Fatal("an update blocks")
	}
}

// A seriesContext is what a hook of the SDK is told, with its ctx.
type seriesContext struct {
	ctx context.Context
	ldhooks.EvaluationSeriesContext
}

// newHooked returns a client with a hook that calls seen before each evaluation.
func newHooked(t testing.TB, seen func(seriesContext), flags ...ldmodel.FeatureFlag) *ld.LDClient {
	source := ldtestdata.DataSource()
	for _, f := range flags {
		source.UsePreconfiguredFlag(f)
	}
	return newClient(t, ld.Config{DataSource: source, Hooks: []ldhooks.Hook{&spy{seen: seen}}})
}

type spy struct {
	ldhooks.Unimplemented
	seen func(seriesContext)
}

func (*spy) Metadata() ldhooks.Metadata { return ldhooks.NewMetadata("spy") }

func (s *spy) BeforeEvaluation(ctx context.Context, series ldhooks.EvaluationSeriesContext, data ldhooks.EvaluationSeriesData) (ldhooks.EvaluationSeriesData, error) {
	s.seen(seriesContext{ctx, series})
	return data, nil
}
