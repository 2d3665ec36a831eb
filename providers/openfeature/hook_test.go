package openfeature_test

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/logbook"
	"github.com/rolloutkit/rolloutkit/internal/noleak"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// hooked returns an OpenFeature client over the flags, with a hook at its API.
func hooked(t testing.TB, flags flagSet, options ...openfeature.HookOption) (*of.Client, *core.Client, *tracking.Recorder, *logbook.Book) {
	t.Helper()
	experiments, events, log := experiments(t, nil)
	api := newAPI(t)
	api.AddHooks(openfeature.NewHook(experiments, options...))
	require.NoError(t, api.SetProviderAndWait(ctx, memprovider.NewInMemoryProvider(flags)))
	return api.NewClient(), experiments, events, log
}

func TestHookSendsTheCoresEvent(t *testing.T) {
	client, experiments, events, _ := hooked(t, flagSet{"pill_color": colors("red", of.SplitReason)})
	e := must(core.Define(experiments, definition("pill_color", openfeature.New(client, nil), "red", "blue")))
	_, err := e.Run(ctx, "ann")
	require.NoError(t, err)
	own := events.Take()
	require.Len(t, own, 1, "evaluations by the rollout are the core's alone")

	for range 2 {
		color, err := client.StringValue(ctx, "pill_color", "grey", user("ann"))
		require.NoError(t, err)
		require.Equal(t, "red", color)
		seen := events.Take()
		require.Len(t, seen, 1)
		seen[0].Time = own[0].Time
		require.Equal(t, own, seen, "key, state and all, and the ID, so that consumers count it once")
	}
}

func TestHookRecords(t *testing.T) {
	elsewhere := of.FlagMetadata{"experiment": "pill_color", "source": "stored"}
	for _, c := range []struct {
		about    string
		value    any
		variant  string // of the flag
		reason   of.Reason
		metadata of.FlagMetadata
		want     string // variant of the one event; "" for no event
		state    core.State
	}{
		{about: "split", variant: "red", reason: of.SplitReason, want: "red", state: core.Conditional},
		{about: "split, control", variant: "control", reason: of.SplitReason, want: "control", state: core.Conditional},
		{about: "target", variant: "blue", reason: of.TargetingMatchReason, want: "blue", state: core.Conditional},
		{about: "cached", variant: "blue", reason: of.CachedReason, want: "blue", state: core.Conditional},
		{about: "on", variant: "blue", reason: of.StaticReason, want: "blue", state: core.On},
		{about: "named by value", value: "red", reason: of.SplitReason, want: "red", state: core.Conditional},
		{about: "true", value: true, variant: "on", reason: of.SplitReason, want: "candidate", state: core.Conditional},
		{about: "false", value: false, variant: "off", reason: of.SplitReason, want: "control", state: core.Conditional},
		{about: "int", value: int64(10), variant: "ten", reason: of.SplitReason, want: "ten", state: core.Conditional},
		{about: "int without variant", value: int64(10), reason: of.SplitReason, want: "10", state: core.Conditional},
		{about: "float without variant", value: 0.5, reason: of.SplitReason, want: "0.5", state: core.Conditional},
		{about: "object", value: map[string]any{"variant": "red"}, reason: of.SplitReason, want: "red", state: core.Conditional},
		{about: "state of its own", variant: "red", reason: of.StaticReason, metadata: of.FlagMetadata{"state": "conditional"}, want: "red", state: core.Conditional},

		{about: "off", variant: "red", reason: of.DisabledReason},
		{about: "off by its own state", variant: "red", reason: of.SplitReason, metadata: of.FlagMetadata{"state": "off"}},
		{about: "on with control", variant: "control", reason: of.StaticReason},
		{about: "default", variant: "control", reason: of.DefaultReason},
		{about: "default, yet a variant", variant: "red", reason: of.DefaultReason},
		{about: "error without an error", variant: "red", reason: of.ErrorReason},
		{about: "answered by experiments elsewhere", variant: "red", reason: of.SplitReason, metadata: elsewhere},
	} {
		t.Run(c.about, func(t *testing.T) {
			if c.value == nil {
				c.value = c.variant
			}
			client, experiments, events, log := hooked(t, flagSet{"flag": flagOf(c.value, c.variant, c.reason, c.metadata)})
			if _, is := c.value.(bool); is {
				client.Boolean(ctx, "flag", false, user("ann"))
			} else {
				client.Object(ctx, "flag", "grey", user("ann"))
			}
			got := events.Take()
			require.Empty(t, log.String())
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Equal(t, "assignment", got[0].Action)
			require.Equal(t, "flag", got[0].Experiment)
			require.Equal(t, c.want, got[0].Variant)
			require.Equal(t, c.state, got[0].State)
			require.Equal(t, core.SourceResolved, got[0].Origin)
			require.NotContains(t, got[0].Key, "ann")
			require.Nil(t, experiments.Variants("flag"), "nothing has to be defined")
		})
	}
	t.Run("nobody's", func(t *testing.T) {
		client, _, events, log := hooked(t, flagSet{"flag": colors("red", of.SplitReason)})
		client.String(ctx, "flag", "grey", of.EvaluationContext{})
		require.Empty(t, events.Take())
		require.Empty(t, log.String())
	})
}

func TestHookIsSilentWhereTheAppGotItsDefault(t *testing.T) {
	started := make(chan struct{})
	t.Cleanup(func() { close(started) })
	starting := &script{evaluate: red, init: func() error { <-started; return nil }}
	flags := memprovider.NewInMemoryProvider(flagSet{"pill_color": colors("red", of.SplitReason), "number": flagOf(7, "seven", of.SplitReason, nil)})
	for about, c := range map[string]struct {
		provider     of.FeatureProvider
		flag         string
		first, later of.Hook // of the API, whose After is called after ours, and of the evaluation
	}{
		"no such flag":         {provider: flags, flag: "missing"},
		"another type":         {provider: flags, flag: "number"},
		"a hook fails before":  {provider: flags, flag: "pill_color", later: stopping},
		"a hook fails after":   {provider: flags, flag: "pill_color", later: failing},
		"a hook fails at last": {provider: flags, flag: "pill_color", first: failing},
		"not ready":            {provider: starting, flag: "pill_color"},
		"no provider":          {flag: "pill_color"},
	} {
		t.Run(about, func(t *testing.T) {
			experiments, events, log := experiments(t, nil)
			api := newAPI(t)
			api.AddHooks(cmp.Or(c.first, of.Hook(hook{})))
			if c.provider == starting {
				require.NoError(t, api.SetProvider(ctx, starting))
			} else if c.provider != nil {
				require.NoError(t, api.SetProviderAndWait(ctx, c.provider))
			}
			client := api.NewClient()
			client.AddHooks(openfeature.NewHook(experiments))
			require.Equal(t, "grey", client.String(ctx, c.flag, "grey", user("ann"), of.WithHooks(cmp.Or(c.later, of.Hook(hook{})))))
			require.Empty(t, events.Take())
			require.Empty(t, log.String())
		})
	}
}

// A scope is a request, as core/web makes one of each.
type scope struct {
	core.Scope
	silent bool
}

func (s scope) Silent() bool { return s.silent }

func TestHookInARequest(t *testing.T) {
	client, _, events, _ := hooked(t, flagSet{"pill_color": colors("red", of.SplitReason)})
	evaluate := func(s scope) int {
		ctx := core.WithScope(ctx, s)
		client.String(ctx, "pill_color", "grey", user("ann"))
		client.String(ctx, "pill_color", "grey", user("ann"))
		return len(events.Take())
	}
	require.Equal(t, 1, evaluate(scope{}), "once per request")
	require.Equal(t, 1, evaluate(scope{}))
	require.Zero(t, evaluate(scope{silent: true}), "DNT, no consent, a robot")
}

// The examples have the other options.
func TestHookOptions(t *testing.T) {
	t.Run("ControlNamed, and one that is nil", func(t *testing.T) {
		client, _, events, _ := hooked(t, flagSet{"pill_color": colors("baseline", of.SplitReason)}, nil, openfeature.ControlNamed("baseline", "off"))
		client.String(ctx, "pill_color", "grey", user("ann"))
		require.Equal(t, core.Control, events.Take()[0].Variant)
	})
	t.Run("UnitBy", func(t *testing.T) {
		account := func(c of.EvaluationContext) core.Unit {
			return core.NewUnit(core.String("account", c.Attribute("account").(string)))
		}
		client, experiments, events, _ := hooked(t, flagSet{"pill_color": colors("red", of.SplitReason)}, openfeature.UnitBy(account))
		client.String(ctx, "pill_color", "grey", of.NewEvaluationContext("ann", map[string]any{"account": "acme"}))
		def := definition("pill_color", nil, "red")
		def.Unit = func(id string) core.Unit { return core.NewUnit(core.String("account", id)) }
		require.Equal(t, must(core.Define(experiments, def)).Assign(ctx, "acme").Key, events.Take()[0].Key)
	})
}

// What can't be recorded is logged, once a minute for each flag, and never
// changes what the app gets.
func TestHookThatCanNotRecord(t *testing.T) {
	unit := openfeature.UnitBy(func(of.EvaluationContext) core.Unit { panic("boom") })
	exclusion := openfeature.ExcludedBy(func(context.Context, of.HookContext) bool { panic("boom") })
	for about, c := range map[string]struct {
		flag    string
		value   any
		variant string
		option  openfeature.HookOption
		want    string
	}{
		"a flag that can be no experiment": {"newCheckout", "red", "red", nil, "is no name of an experiment"},
		"nothing named":                    {"flag", "", "", nil, "names no variant"},
		"an object that names nothing":     {"flag", map[string]any{"size": 1}, "", nil, "(an object without variant)"},
		"a variant that is not defined":    {"pill_color", "green", "green", nil, "unknown variant"},
		"true of several variants":         {"pill_color", true, "on", nil, "says true, which is any of the variants"},
		"a unit that panics":               {"pill_color", "red", "red", unit, "panicked: boom"},
		"an exclusion that panics":         {"pill_color", "red", "red", exclusion, "panicked: boom"},
	} {
		t.Run(about, func(t *testing.T) {
			client, experiments, events, log := hooked(t, flagSet{c.flag: flagOf(c.value, c.variant, of.SplitReason, nil)}, c.option)
			must(core.Define(experiments, definition("pill_color", nil, "red", "blue")))
			for range 3 {
				value, err := client.ObjectValue(ctx, c.flag, "the app's default", user("ann"))
				require.NoError(t, err)
				require.Equal(t, c.value, value)
			}
			require.Empty(t, events.Take())
			require.Equal(t, 1, strings.Count(log.String(), "an evaluation was not recorded"), log.String())
			require.Contains(t, log.String(), c.want)
		})
	}
	t.Run("a tracker that fails", func(t *testing.T) {
		client, experiments, events, _ := hooked(t, flagSet{"pill_color": colors("red", of.SplitReason)})
		events.Err = errors.New("full")
		require.Equal(t, "red", client.String(ctx, "pill_color", "grey", user("ann")))
		require.Equal(t, uint64(1), experiments.Stats().EventsLost)
	})
	t.Run("no core.Client", func(t *testing.T) {
		client := serve(t, pillFlag("red", of.SplitReason))
		client.AddHooks(openfeature.NewHook(nil))
		require.Equal(t, "red", client.String(ctx, "pill_color", "grey", user("ann")))
	})
}

// Many at the same time: one event for each evaluation that succeeds, none for
// those that fail, nothing left over.
func TestHookConcurrently(t *testing.T) {
	defer noleak.Require(t, goleak.IgnoreCurrent())
	t.Run("", testHookConcurrently) // whose API is shut down
}

func testHookConcurrently(t *testing.T) {
	s := newShop(t, on("red"), nil)
	s.AddHooks(openfeature.NewHook(s.core))
	s.String(ctx, "pill_color", "none", user("ann"))
	client, _, events, _ := hooked(t, flagSet{"pill_color": colors("red", of.SplitReason)})
	_, err := openfeature.New(client, &openfeature.Options{Timeout: time.Minute}).Resolve(ctx, request)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				client.String(ctx, "pill_color", "grey", user("ann"))
				client.String(ctx, "pill_color", "grey", user("ann"), of.WithHooks(failing))
				client.String(ctx, "missing", "grey", user("ann"))
			}
		})
	}
	wg.Wait()
	require.Len(t, events.Take(), 8*50)
}

// Failures whose Finally never comes, because another hook panicked, are
// forgotten, so that they cost little.
func TestHookForgetsFailures(t *testing.T) {
	experiments, events, _ := experiments(t, nil)
	h := openfeature.NewHook(experiments)
	about := func(unit int) of.HookContext {
		return of.NewHookContext("pill_color", of.String, "", of.NewClientMetadata("shop"), of.Metadata{}, user(strconv.Itoa(unit)))
	}
	finish := func(unit int) int {
		h.Finally(ctx, about(unit), of.InterfaceEvaluationDetails{Value: "red", EvaluationDetails: of.EvaluationDetails{
			FlagType: of.String, ResolutionDetail: of.ResolutionDetail{Variant: "red", Reason: of.SplitReason}}}, of.HookHints{})
		return len(events.Take())
	}
	for unit := range 10_001 {
		h.Error(ctx, about(unit), errHook, of.HookHints{})
	}
	require.Equal(t, 1, finish(0), "it is not known to have failed any more")
	require.Zero(t, finish(10_000))
}
