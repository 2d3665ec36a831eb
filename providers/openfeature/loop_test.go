package openfeature_test

import (
	"context"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// A wrapped is somebody's rollout around another, which can be looked into.
type wrapped struct{ core.Rollout }

func (w wrapped) Unwrap() core.Rollout { return w.Rollout }

// over returns a provider of an experiment that asks flags, and its events.
func over(t *testing.T, flags core.Rollout) (*openfeature.Provider, *tracking.Recorder) {
	client, events, _ := experiments(t, nil)
	return openfeature.NewProvider(client, pill(client, flags)), events
}

func TestLoopsAreFoundAtRegistration(t *testing.T) {
	for name, wrap := range map[string]func(core.Rollout) core.Rollout{
		"bare":    func(r core.Rollout) core.Rollout { return r },
		"wrapped": func(r core.Rollout) core.Rollout { return wrapped{r} },
		"behind":  func(r core.Rollout) core.Rollout { return percent.Behind(r, percent.Weights{"control": 50, "red": 50}) },
	} {
		for _, domain := range []string{"", "experiments"} {
			t.Run(name+" "+domain, func(t *testing.T) {
				api := newAPI(t)
				flags := api.NewClient(of.WithDomain(domain))
				p, events := over(t, wrap(openfeature.New(flags, nil)))
				err := api.SetProviderAndWait(ctx, p, of.WithDomain(domain))
				require.ErrorContains(t, err, "experiment pill_color is decided by the OpenFeature client of domain")
				require.ErrorContains(t, err, "register another provider for that domain first")
				require.Equal(t, of.FatalState, flags.State())
				_, err = flags.StringValue(ctx, "pill_color", "none", user("ann"))
				require.ErrorContains(t, err, "PROVIDER_FATAL")
				require.Empty(t, events.Take())
			})
		}
	}
}

// A flag system behind OpenFeature in one domain, experiments over it in another,
// one in front of the other: no loop, in whatever order they are registered as
// long as the flags come first.
func TestProvidersInLineAreNoLoop(t *testing.T) {
	api, asked := newAPI(t), 0
	flags := &script{evaluate: func(context.Context, string, of.FlattenedContext) detail {
		asked++
		return says("red", of.StaticReason)
	}}
	require.NoError(t, api.SetProviderAndWait(ctx, flags, of.WithDomain("flags")))
	p, events := over(t, openfeature.New(api.NewClient(of.WithDomain("flags")), nil))
	require.NoError(t, api.SetProviderAndWait(ctx, p))
	require.Zero(t, asked, "finding out asks no provider")

	for evaluations := range 2 {
		color, err := api.NewClient().StringValue(ctx, "pill_color", "none", user("ann"))
		require.NoError(t, err)
		require.Equal(t, "red!", color)
		require.Len(t, events.Take(), 1)
		require.Equal(t, evaluations+1, asked, "one for each, stored ones too, since off has to hide what is stored")
	}

	front, _ := over(t, openfeature.New(api.NewClient(), nil))
	require.NoError(t, api.SetProviderAndWait(ctx, front, of.WithDomain("front")), "experiments of another service, in front of these")
}

// What registration can't see ends at the second time round.
func TestLoopsEnd(t *testing.T) {
	fails := func(t *testing.T, c *of.Client, events *tracking.Recorder) {
		t.Helper()
		color, err := c.StringValue(ctx, "pill_color", "none", user("ann"))
		require.Error(t, err)
		require.Equal(t, "none", color)
		require.Empty(t, events.Take())
	}
	t.Run("hidden in a wrapper", func(t *testing.T) {
		api := newAPI(t)
		client, events, log := experiments(t, nil)
		hidden := core.RolloutFunc(openfeature.New(api.NewClient(), nil).Resolve)
		require.NoError(t, api.SetProviderAndWait(ctx, openfeature.NewProvider(client, pill(client, hidden))))
		fails(t, api.NewClient(), events)
		require.Contains(t, log.String(), "asks OpenFeature about itself")
	})
	t.Run("made later", func(t *testing.T) {
		api := newAPI(t)
		require.NoError(t, api.SetProviderAndWait(ctx, pillFlag("red", of.StaticReason)))
		p, events := over(t, openfeature.New(api.NewClient(), nil))
		require.NoError(t, api.SetProviderAndWait(ctx, p, of.WithDomain("experiments")))
		require.Error(t, api.SetProviderAndWait(ctx, p), "now it is the provider of its own flags")
		fails(t, api.NewClient(), events)
	})
	t.Run("through another provider", func(t *testing.T) {
		api := newAPI(t)
		other, _ := over(t, openfeature.New(api.NewClient(of.WithDomain("one")), nil))
		one, events := over(t, openfeature.New(api.NewClient(of.WithDomain("other")), nil))
		require.NoError(t, api.SetProviderAndWait(ctx, one, of.WithDomain("one")))
		require.NoError(t, api.SetProviderAndWait(ctx, other, of.WithDomain("other")))
		fails(t, api.NewClient(of.WithDomain("one")), events)
	})
	t.Run("in a behaviour", func(t *testing.T) {
		var again *of.Client
		s := newShop(t, on("blue"), func(_ *core.Config, d *core.Definition[string, string]) {
			d.Variants[1].Run = func(ctx context.Context, id string) (string, error) {
				return again.StringValue(ctx, "pill_color", "none", user(id))
			}
		})
		again = s.Client
		_, err := s.StringValue(ctx, "pill_color", "none", user("ann"))
		require.ErrorContains(t, err, "about itself")
	})
}

// A hook of the app that panics does not end the program at registration.
func TestLoopSearchSurvivesHooks(t *testing.T) {
	api := newAPI(t)
	api.AddHooks(hook{explode: true})
	require.NoError(t, api.SetProviderAndWait(ctx, &script{evaluate: red}, of.WithDomain("flags")))
	p, _ := over(t, openfeature.New(api.NewClient(of.WithDomain("flags")), nil))
	require.NoError(t, api.SetProviderAndWait(ctx, p))
}
