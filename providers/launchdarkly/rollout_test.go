package launchdarkly_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldhooks"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/launchdarkly"
)

func TestFlagKeys(t *testing.T) {
	s := newSystem(t, ld.Config{}, redFlag("shop.pill"))
	r := launchdarkly.New(s.LDClient, &launchdarkly.Options{Flag: func(experiment string) string { return strings.ReplaceAll(experiment, "/", ".") }})
	require.NoError(t, r.Validate("shop/pill", nil))
	require.Equal(t, "red", resolve(t, r, "shop/pill", "k").Variant)
	require.NoError(t, launchdarkly.New(s.LDClient, nil).Validate("shop_pill-2.0", nil))
	_, err := r.Resolve(t.Context(), request("elsewhere", "k"))
	require.ErrorIs(t, err, core.ErrFlagNotFound)
}

func TestDescribe(t *testing.T) {
	s := newSystem(t, ld.Config{})
	d := launchdarkly.New(s.LDClient, nil).Describe()
	require.Equal(t, "launchdarkly", d.Name)
	require.Equal(t, "context kind experiment-unit, exposure ours, field variant", d.Detail)
	require.NotContains(t, d.Capabilities, core.ReportsOn)
	d = s.rollout(launchdarkly.Options{Kind: "user", KeyTrait: "id", Exposure: launchdarkly.ExposureBoth, Field: "v"}).Describe()
	require.Equal(t, "context kind user, exposure both, field v, key id, with definitions", d.Detail)
	require.Contains(t, d.Capabilities, core.ReportsOn)
	require.Equal(t, "Exposure(9)", launchdarkly.Exposure(9).String())
}

func TestSplitByAnotherKindOfContext(t *testing.T) {
	s := newSystem(t, ld.Config{}, flag("pill").Fallthrough(shareBy("organization", 50, 50)).Build())
	r := s.rollout(launchdarkly.Options{Kinds: map[string]string{"organization": "org"}})
	acme := core.String("org", "acme")
	require.Equal(t, resolve(t, r, "pill", "ann", acme), resolve(t, r, "pill", "bob", acme))
	_, err := r.Resolve(t.Context(), request("pill", "ann"))
	require.ErrorContains(t, err, `contexts of kind "organization", and the unit's is "experiment-unit"`)
}

// A trial evaluates once, with the ctx where the SDK takes one.
func TestOneEvaluation(t *testing.T) {
	type mark struct{}
	for _, exposure := range []launchdarkly.Exposure{launchdarkly.ExposureOurs, launchdarkly.ExposureLaunchDarkly, launchdarkly.ExposureBoth} {
		t.Run(exposure.String(), func(t *testing.T) {
			var seen []any
			look := &spy{before: func(ctx context.Context, _ ldhooks.EvaluationSeriesContext) { seen = append(seen, ctx.Value(mark{})) }}
			s := newSystem(t, ld.Config{Hooks: []ldhooks.Hook{look}}, split3())
			trial := pill(t, core.Config{Rollout: s.rollout(launchdarkly.Options{Exposure: exposure})}).For("ann")
			ctx := context.WithValue(t.Context(), mark{}, "here")
			_, err := trial.Run(ctx)
			require.NoError(t, err)
			require.NoError(t, trial.Track(ctx, core.Event{Action: "clicked"}))
			require.NoError(t, trial.Publish(ctx).Err)
			want := []any{"here"}
			if exposure == launchdarkly.ExposureOurs {
				want = []any{nil}
			}
			require.Equal(t, want, seen)
		})
	}
}

// The flag changes while others evaluate it; -race looks on. A listener that
// nobody drains would stop updates after ten, so the rollout has none.
func TestFlagChangesWhileUnitsAreResolved(t *testing.T) {
	s := newSystem(t, ld.Config{}, split3())
	r := s.rollout(launchdarkly.Options{})
	_ = launchdarkly.NewTracker(s.LDClient, nil)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
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
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		for range 100 {
			s.put(redFlag("pill"))
			if d, err := r.Resolve(t.Context(), request("pill", "k")); err != nil || d.State != core.On {
				t.Errorf("%+v %v", d, err)
			}
			s.put(split3(), flag("pill").On(false).Build())
			if d, err := r.Resolve(t.Context(), request("pill", "k")); err != nil || d.State != core.Off {
				t.Errorf("%+v %v", d, err)
			}
		}
	}()
	select {
	case <-changed:
	case <-time.After(watchdog):
		t.Error("an update blocks")
	}
	close(stop)
	all.Wait()
}
