package openfeature_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/noleak"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// flagOf is a flag of any type, with one answer.
func flagOf(value any, variant string, reason of.Reason, metadata of.FlagMetadata) memprovider.InMemoryFlag {
	return memprovider.InMemoryFlag{State: memprovider.Enabled, Variants: map[string]any{variant: value}, ContextEvaluator: answers(variant, reason, metadata)}
}

// hooked returns an OpenFeature client over the flags, with a hook at its API.
func hooked(t testing.TB, flags map[string]memprovider.InMemoryFlag, options ...openfeature.HookOption) (*of.Client, *core.Client, *tracking.Recorder, *logbook) {
	t.Helper()
	experiments, events, log := experiments(t, nil)
	api := newAPI(t)
	api.AddHooks(openfeature.NewHook(experiments, options...))
	require.NoError(t, api.SetProviderAndWait(ctx, memprovider.NewInMemoryProvider(flags)))
	return api.NewClient(), experiments, events, log
}

func TestHookSendsTheCoresEvent(t *testing.T) {
	client, experiments, events, _ := hooked(t, map[string]memprovider.InMemoryFlag{"pill_color": colors("red", of.SplitReason)})
	e := pill(t, experiments, openfeature.New(client, nil))
	_, err := e.Run(ctx, "ann")
	require.NoError(t, err)
	own := events.Take()
	require.Len(t, own, 1, "evaluations by the rollout are the core's alone")

	color, err := client.StringValue(ctx, "pill_color", "grey", user("ann"))
	require.NoError(t, err)
	require.Equal(t, "red", color)
	seen := events.Take()
	require.Len(t, seen, 1)
	seen[0].Time = own[0].Time
	require.Equal(t, own, seen, "key, ID, state and all")

	_, _ = client.StringValue(ctx, "pill_color", "grey", user("ann"))
	again := events.Take()
	require.Len(t, again, 1)
	require.Equal(t, own[0].ID, again[0].ID, "consumers count it once")
}

// Each kind of evaluation, and the variant of the one event that it sends; ""
// for no event.
func TestHookRecords(t *testing.T) {
	disabled := colors("red", of.SplitReason)
	disabled.State = memprovider.Disabled
	for _, c := range []struct {
		about   string
		flag    memprovider.InMemoryFlag
		variant string
		state   core.State
	}{
		{"split", colors("red", of.SplitReason), "red", core.Conditional},
		{"split, control", colors("control", of.SplitReason), "control", core.Conditional},
		{"target", colors("blue", of.TargetingMatchReason), "blue", core.Conditional},
		{"cached", colors("blue", of.CachedReason), "blue", core.Conditional},
		{"on", colors("blue", of.StaticReason), "blue", core.On},
		{"named by value", flagOf("red", "", of.SplitReason, nil), "red", core.Conditional},
		{"true", flagOf(true, "on", of.SplitReason, nil), "candidate", core.Conditional},
		{"false", flagOf(false, "off", of.SplitReason, nil), "control", core.Conditional},
		{"int", flagOf(10, "ten", of.SplitReason, nil), "ten", core.Conditional},
		{"int without variant", flagOf(10, "", of.SplitReason, nil), "10", core.Conditional},
		{"float without variant", flagOf(0.5, "", of.SplitReason, nil), "0.5", core.Conditional},
		{"object", flagOf(map[string]any{"variant": "red"}, "", of.SplitReason, nil), "red", core.Conditional},
		{"state of its own", flagOf("red", "red", of.StaticReason, of.FlagMetadata{"state": "conditional"}), "red", core.Conditional},

		{"off", disabled, "", 0},
		{"off by its own state", flagOf("red", "red", of.SplitReason, of.FlagMetadata{"state": "off"}), "", 0},
		{"on with control", colors("control", of.StaticReason), "", 0},
		{"default", colors("control", of.DefaultReason), "", 0},
		{"default, yet a variant", colors("red", of.DefaultReason), "", 0},
		{"error without an error", colors("red", of.ErrorReason), "", 0},
		{"answered by experiments elsewhere", flagOf("red", "red", of.SplitReason, of.FlagMetadata{"experiment": "pill_color", "source": "stored"}), "", 0},
	} {
		t.Run(c.about, func(t *testing.T) {
			client, experiments, events, log := hooked(t, map[string]memprovider.InMemoryFlag{"flag": c.flag})
			evaluate(client, c.flag)
			got := events.Take()
			require.Empty(t, log.String())
			if c.variant == "" {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Equal(t, "assignment", got[0].Action)
			require.Equal(t, "flag", got[0].Experiment)
			require.Equal(t, c.variant, got[0].Variant)
			require.Equal(t, c.state, got[0].State)
			require.Equal(t, core.SourceResolved, got[0].Origin)
			require.NotContains(t, got[0].Key, "ann")
			require.Nil(t, experiments.Variants("flag"), "nothing has to be defined")
		})
	}
}

// evaluate evaluates "flag" for ann by the method for its type.
func evaluate(client *of.Client, flag memprovider.InMemoryFlag) {
	var value any
	for _, value = range flag.Variants {
	}
	switch value.(type) {
	case bool:
		client.Boolean(ctx, "flag", false, user("ann"))
	case string:
		client.String(ctx, "flag", "grey", user("ann"))
	case int:
		client.Int(ctx, "flag", 0, user("ann"))
	case float64:
		client.Float(ctx, "flag", 0, user("ann"))
	default:
		client.Object(ctx, "flag", map[string]any{}, user("ann"))
	}
}

func TestHookIsSilentWhereTheAppGotItsDefault(t *testing.T) {
	flags := map[string]memprovider.InMemoryFlag{"pill_color": colors("red", of.SplitReason)}
	silent := func(t *testing.T, client *of.Client, events *tracking.Recorder, flag string, options ...of.Option) {
		t.Helper()
		color, err := client.StringValue(ctx, flag, "grey", user("ann"), options...)
		require.Error(t, err)
		require.Equal(t, "grey", color)
		require.Empty(t, events.Take())
	}
	t.Run("no such flag", func(t *testing.T) {
		client, _, events, _ := hooked(t, flags)
		silent(t, client, events, "missing")
	})
	t.Run("another type", func(t *testing.T) {
		client, _, events, _ := hooked(t, flags)
		_, err := client.BooleanValue(ctx, "pill_color", false, user("ann"))
		require.Error(t, err)
		require.Empty(t, events.Take())
	})
	t.Run("a hook fails before", func(t *testing.T) {
		client, _, events, _ := hooked(t, flags)
		silent(t, client, events, "pill_color", of.WithHooks(stopping{}))
	})
	t.Run("a hook fails after", func(t *testing.T) {
		client, _, events, _ := hooked(t, flags)
		silent(t, client, events, "pill_color", of.WithHooks(failingHook{}))
		_, err := client.StringValue(ctx, "pill_color", "grey", user("ann"))
		require.NoError(t, err)
		require.Len(t, events.Take(), 1, "the next one is recorded")
	})
	t.Run("a hook fails after ours had its turn", func(t *testing.T) {
		experiments, events, _ := experiments(t, nil)
		api := newAPI(t)
		api.AddHooks(failingHook{}) // Afters are called in reverse
		require.NoError(t, api.SetProviderAndWait(ctx, memprovider.NewInMemoryProvider(flags)))
		client := api.NewClient()
		client.AddHooks(openfeature.NewHook(experiments))
		silent(t, client, events, "pill_color")
	})
	t.Run("not ready", func(t *testing.T) {
		experiments, events, _ := experiments(t, nil)
		api := newAPI(t)
		initialised := make(chan struct{})
		defer close(initialised)
		require.NoError(t, api.SetProvider(ctx, &script{evaluate: red, init: func() error { <-initialised; return nil }}))
		client := api.NewClient()
		client.AddHooks(openfeature.NewHook(experiments))
		silent(t, client, events, "pill_color")
	})
	t.Run("no provider", func(t *testing.T) {
		experiments, events, log := experiments(t, nil)
		client := newAPI(t).NewClient()
		client.AddHooks(openfeature.NewHook(experiments))
		client.String(ctx, "pill_color", "grey", user("ann"))
		require.Empty(t, events.Take())
		require.Empty(t, log.String())
	})
	t.Run("nobody", func(t *testing.T) {
		client, _, events, log := hooked(t, flags)
		client.String(ctx, "pill_color", "grey", of.EvaluationContext{})
		require.Empty(t, events.Take())
		require.Empty(t, log.String())
	})
}

// A scope is a request, as core/web makes one of each.
type scope struct {
	core.Scope
	silent bool
}

func (s scope) Silent() bool { return s.silent }

func TestHookInARequest(t *testing.T) {
	client, _, events, _ := hooked(t, map[string]memprovider.InMemoryFlag{"pill_color": colors("red", of.SplitReason)})
	evaluate := func(ctx context.Context) {
		client.String(ctx, "pill_color", "grey", user("ann"))
		client.String(ctx, "pill_color", "grey", user("ann"))
	}
	evaluate(core.WithScope(ctx, scope{}))
	require.Len(t, events.Take(), 1, "once per request")
	evaluate(core.WithScope(ctx, scope{}))
	require.Len(t, events.Take(), 1)
	evaluate(core.WithScope(ctx, scope{silent: true}))
	require.Empty(t, events.Take(), "DNT, no consent, a robot")
}

type stopping struct{ of.UnimplementedHook }

func (stopping) Before(context.Context, of.HookContext, of.HookHints) (*of.EvaluationContext, error) {
	return nil, errors.New("not today")
}

func TestHookOptions(t *testing.T) {
	flags := map[string]memprovider.InMemoryFlag{
		"pill_color":  colors("red", of.SplitReason),
		"newCheckout": flagOf(true, "on", of.SplitReason, nil),
		"layout":      flagOf("old", "baseline", of.SplitReason, nil),
	}
	all := func(client *of.Client) {
		client.String(ctx, "pill_color", "grey", user("ann"))
		client.Boolean(ctx, "newCheckout", false, user("ann"))
		client.String(ctx, "layout", "old", user("ann"))
	}
	names := func(events []core.Event) (names []string) {
		for _, e := range events {
			names = append(names, e.Experiment+" "+e.Variant)
		}
		return names
	}
	t.Run("OnlyFlags", func(t *testing.T) {
		client, _, events, log := hooked(t, flags, openfeature.OnlyFlags("pill_color"))
		all(client)
		require.Equal(t, []string{"pill_color red"}, names(events.Take()))
		require.Empty(t, log.String())
	})
	t.Run("NamedBy", func(t *testing.T) {
		client, _, events, _ := hooked(t, flags, openfeature.NamedBy(func(flag string) string {
			return map[string]string{"newCheckout": "shop_checkout"}[flag]
		}))
		all(client)
		require.Equal(t, []string{"shop_checkout candidate"}, names(events.Take()))
	})
	t.Run("ControlNamed", func(t *testing.T) {
		client, _, events, _ := hooked(t, flags, openfeature.OnlyFlags("layout"), openfeature.ControlNamed("baseline", "off"))
		all(client)
		require.Equal(t, []string{"layout control"}, names(events.Take()))
	})
	t.Run("UnitBy", func(t *testing.T) {
		account := func(c of.EvaluationContext) core.Unit {
			id, _ := c.Attribute("account").(string)
			return core.NewUnit(core.String("account", id))
		}
		client, experiments, events, _ := hooked(t, flags, openfeature.OnlyFlags("pill_color"), openfeature.UnitBy(account))
		client.String(ctx, "pill_color", "grey", of.NewEvaluationContext("ann", map[string]any{"account": "acme"}))
		e, err := core.Define(experiments, core.Definition[string, string]{Name: "pill_color",
			Unit:     func(id string) core.Unit { return core.NewUnit(core.String("account", id)) },
			Variants: []core.Variant[string, string]{{Name: "red"}}})
		require.NoError(t, err)
		require.Equal(t, e.Assign(ctx, "acme").Key, events.Take()[0].Key)
	})
	t.Run("ExcludedBy", func(t *testing.T) {
		robots := func(_ context.Context, about of.HookContext) bool {
			if about.FlagKey() == "layout" {
				panic("boom")
			}
			return strings.HasPrefix(about.EvaluationContext().TargetingKey(), "bot-")
		}
		client, _, events, log := hooked(t, flags, openfeature.ExcludedBy(robots))
		client.String(ctx, "pill_color", "grey", user("bot-1"))
		client.String(ctx, "layout", "old", user("ann"))
		require.Empty(t, events.Take())
		require.Contains(t, log.String(), "panicked: boom")
		client.String(ctx, "pill_color", "grey", user("ann"))
		require.Len(t, events.Take(), 1)
	})
	t.Run("nil", func(t *testing.T) {
		client, _, events, _ := hooked(t, flags, nil)
		client.String(ctx, "pill_color", "grey", user("ann"))
		require.Len(t, events.Take(), 1)
	})
}

// What can't be recorded is logged, once a minute for each flag, and never
// changes what the app gets.
func TestHookComplaints(t *testing.T) {
	flags := map[string]memprovider.InMemoryFlag{
		"pill_color":  colors("red", of.SplitReason),
		"newCheckout": flagOf(true, "on", of.SplitReason, nil),
		"empty":       flagOf("", "", of.SplitReason, nil),
		"object":      flagOf(map[string]any{"size": 1}, "", of.SplitReason, nil),
	}
	for want, evaluate := range map[string]func(*of.Client) (any, error){
		"is no name of an experiment": func(c *of.Client) (any, error) {
			return c.BooleanValue(ctx, "newCheckout", false, user("ann"))
		},
		"names no variant": func(c *of.Client) (any, error) {
			return c.StringValue(ctx, "empty", "grey", user("ann"))
		},
		"(an object without variant)": func(c *of.Client) (any, error) {
			return c.ObjectValue(ctx, "object", nil, user("ann"))
		},
	} {
		client, _, events, log := hooked(t, flags)
		for range 3 {
			value, err := evaluate(client)
			require.NoError(t, err)
			require.NotContains(t, []any{false, "grey", nil}, value, "the app gets what the flag says")
		}
		require.Empty(t, events.Take())
		require.Equal(t, 1, strings.Count(log.String(), "an evaluation was not recorded"), log.String())
		require.Contains(t, log.String(), want)
	}

	t.Run("variants of a defined experiment", func(t *testing.T) {
		client, experiments, events, log := hooked(t, map[string]memprovider.InMemoryFlag{
			"pill_color": flagOf("green", "green", of.SplitReason, nil),
			"checkout":   flagOf(true, "on", of.SplitReason, nil),
		})
		pill(t, experiments, nil)
		_, err := core.Define(experiments, core.Definition[string, string]{Name: "checkout",
			Unit:     func(id string) core.Unit { return core.Actor(id) },
			Variants: []core.Variant[string, string]{{Name: "short"}, {Name: "long"}}})
		require.NoError(t, err)
		client.String(ctx, "pill_color", "grey", user("ann"))
		client.Boolean(ctx, "checkout", false, user("ann"))
		require.Empty(t, events.Take())
		require.Contains(t, log.String(), "unknown variant")
		require.Contains(t, log.String(), "says true, which is any of the variants")
	})
	t.Run("a tracker that fails", func(t *testing.T) {
		client, experiments, events, _ := hooked(t, flags)
		events.Err = errors.New("full")
		color, err := client.StringValue(ctx, "pill_color", "grey", user("ann"))
		require.NoError(t, err)
		require.Equal(t, "red", color)
		require.Equal(t, uint64(1), experiments.Stats().EventsLost)
	})
	t.Run("funcs that panic", func(t *testing.T) {
		client, _, events, log := hooked(t, flags, openfeature.UnitBy(func(of.EvaluationContext) core.Unit { panic("boom") }))
		color, err := client.StringValue(ctx, "pill_color", "grey", user("ann"))
		require.NoError(t, err)
		require.Equal(t, "red", color)
		require.Empty(t, events.Take())
		require.Contains(t, log.String(), "panicked: boom")
	})
	t.Run("no client", func(t *testing.T) {
		client := serve(t, memprovider.NewInMemoryProvider(flags))
		client.AddHooks(openfeature.NewHook(nil))
		color, err := client.StringValue(ctx, "pill_color", "grey", user("ann"))
		require.NoError(t, err)
		require.Equal(t, "red", color)
	})
}

// Many at the same time: one event for each evaluation that succeeds, none for
// those that fail, nothing left over.
func TestHookConcurrently(t *testing.T) {
	client, _, events, _ := hooked(t, map[string]memprovider.InMemoryFlag{"pill_color": colors("red", of.SplitReason)})
	defer noleak.Require(t, goleak.IgnoreCurrent()) // but for the SDK's own
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				client.String(ctx, "pill_color", "grey", user("ann"))
				client.String(ctx, "pill_color", "grey", user("ann"), of.WithHooks(failingHook{}))
				client.String(ctx, "missing", "grey", user("ann"))
			}
		})
	}
	wg.Wait()
	require.Len(t, events.Take(), 8*50)
}

// After an API is shut down nothing of ours runs on.
func TestNoGoroutineStays(t *testing.T) {
	defer noleak.Require(t, goleak.IgnoreCurrent())
	t.Run("", func(t *testing.T) {
		s := newShop(t, on("red"), nil)
		s.AddHooks(openfeature.NewHook(s.core))
		s.String(ctx, "pill_color", "none", user("ann"))
		flags := serve(t, memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{"other": colors("red", of.SplitReason)}))
		_, err := openfeature.New(flags, &openfeature.Options{Timeout: time.Minute, Flag: func(string) string { return "other" }}).Resolve(ctx, request)
		require.NoError(t, err)
	})
}
