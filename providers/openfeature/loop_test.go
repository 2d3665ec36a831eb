package openfeature_test

import (
	"context"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// A wrapped is somebody's rollout around another, which can be looked into.
type wrapped struct{ core.Rollout }

func (w wrapped) Unwrap() core.Rollout { return w.Rollout }

// A hidden is one that can't.
type hidden struct{ inner core.Rollout }

func (h hidden) Resolve(ctx context.Context, r core.Request) (core.Decision, error) {
	return h.inner.Resolve(ctx, r)
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
				client, events, _ := experiments(t, nil)
				x := core.Expose(pill(t, client, wrap(openfeature.New(flags, nil))), byKey)
				err := api.SetProviderAndWait(ctx, openfeature.NewProvider(client, x), of.WithDomain(domain))
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
	api := newAPI(t)
	seen := &watching{}
	api.AddHooks(seen)
	flags := memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{"pill_color": colors("red", of.StaticReason)})
	require.NoError(t, api.SetProviderAndWait(ctx, flags, of.WithDomain("flags")))
	client, events, _ := experiments(t, nil)
	rollout := openfeature.New(api.NewClient(of.WithDomain("flags")), nil)
	x := core.Expose(pill(t, client, rollout), byKey)
	require.NoError(t, api.SetProviderAndWait(ctx, openfeature.NewProvider(client, x)))
	require.Zero(t, seen.after, "finding out asks no provider")

	color, err := api.NewClient().StringValue(ctx, "pill_color", "none", user("ann"))
	require.NoError(t, err)
	require.Equal(t, "red!", color)
	require.Len(t, events.Take(), 1)

	// Experiments of another service, in front of these.
	front, _, _ := experiments(t, nil)
	y := core.Expose(pill(t, front, openfeature.New(api.NewClient(), nil)), byKey)
	require.NoError(t, api.SetProviderAndWait(ctx, openfeature.NewProvider(front, y), of.WithDomain("front")))
}

// A watching counts the evaluations that a provider answered.
type watching struct {
	of.UnimplementedHook
	after int
}

func (w *watching) After(context.Context, of.HookContext, of.InterfaceEvaluationDetails, of.HookHints) error {
	w.after++
	return nil
}

// What registration can't see ends at the second time round.
func TestLoopsEnd(t *testing.T) {
	failed := func(t *testing.T, c *of.Client, events *tracking.Recorder) {
		t.Helper()
		details, err := c.StringValueDetails(ctx, "pill_color", "none", user("ann"))
		require.Error(t, err)
		require.Equal(t, "none", details.Value)
		require.Empty(t, events.Take())
	}
	t.Run("hidden in a wrapper", func(t *testing.T) {
		api := newAPI(t)
		client, events, log := experiments(t, nil)
		x := core.Expose(pill(t, client, hidden{openfeature.New(api.NewClient(), nil)}), byKey)
		require.NoError(t, api.SetProviderAndWait(ctx, openfeature.NewProvider(client, x)))
		failed(t, api.NewClient(), events)
		require.Contains(t, log.String(), "asks OpenFeature about itself")
	})
	t.Run("made later", func(t *testing.T) {
		api := newAPI(t)
		flags := memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{"pill_color": colors("red", of.StaticReason)})
		require.NoError(t, api.SetProviderAndWait(ctx, flags))
		client, events, _ := experiments(t, nil)
		x := core.Expose(pill(t, client, openfeature.New(api.NewClient(), nil)), byKey)
		p := openfeature.NewProvider(client, x)
		require.NoError(t, api.SetProviderAndWait(ctx, p, of.WithDomain("experiments")))
		require.Error(t, api.SetProviderAndWait(ctx, p), "now it is the provider of its own flags")
		failed(t, api.NewClient(), events)
	})
	t.Run("through another provider", func(t *testing.T) {
		api := newAPI(t)
		domains := []string{"one", "other"}
		var recorders []*tracking.Recorder
		for i, domain := range domains {
			client, events, _ := experiments(t, nil)
			recorders = append(recorders, events)
			next := api.NewClient(of.WithDomain(domains[1-i]))
			x := core.Expose(pill(t, client, openfeature.New(next, nil)), byKey)
			require.NoError(t, api.SetProviderAndWait(ctx, openfeature.NewProvider(client, x), of.WithDomain(domain)))
		}
		failed(t, api.NewClient(of.WithDomain("one")), recorders[0])
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
	api.AddHooks(exploding{})
	client, _, _ := experiments(t, nil)
	x := core.Expose(pill(t, client, openfeature.New(api.NewClient(of.WithDomain("flags")), nil)), byKey)
	require.NoError(t, api.SetProviderAndWait(ctx, &script{evaluate: red}, of.WithDomain("flags")))
	require.NoError(t, api.SetProviderAndWait(ctx, openfeature.NewProvider(client, x)))
}

type exploding struct{ of.UnimplementedHook }

func (exploding) Before(context.Context, of.HookContext, of.HookHints) (*of.EvaluationContext, error) {
	panic("boom")
}
