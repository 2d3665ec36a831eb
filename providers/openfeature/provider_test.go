package openfeature_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

func TestProviderRunsExperiments(t *testing.T) {
	s := newShop(t, decided(core.Conditional, "blue"), nil)
	details, err := s.StringValueDetails(ctx, "pill_color", "none", user("ann"))
	require.NoError(t, err)
	require.Equal(t, "blue!", details.Value)
	require.Equal(t, "blue", details.Variant)
	require.Equal(t, of.SplitReason, details.Reason)
	a := s.exp.Assign(ctx, "ann")
	require.Equal(t, core.SourceStored, a.Source, "it was kept")
	require.Equal(t, of.FlagMetadata{"experiment": "pill_color", "key": a.Key, "state": "conditional",
		"source": "resolved", "origin": "resolved", "tracked": true, "degraded": false}, details.FlagMetadata)
	events := s.events.Take()
	require.Len(t, events, 1)
	require.Equal(t, "assignment", events[0].Action)
	require.Equal(t, openfeature.ProviderName, s.provider.Metadata().Name)
}

// The table of resolutionOf, through the whole pipeline.
func TestProviderReasons(t *testing.T) {
	type (
		config     = core.Config
		definition = core.Definition[string, string]
	)
	is := func(who string) func(context.Context, string) bool {
		return func(_ context.Context, id string) bool { return id == who }
	}
	unit := func(u core.Unit) func(*config, *definition) {
		return func(_ *config, d *definition) { d.Unit = func(string) core.Unit { return u } }
	}
	behaviour := func(do func() error) func(*config, *definition) {
		return func(_ *config, d *definition) {
			d.Variants[0].Run = func(context.Context, string) (string, error) { return "", do() }
		}
	}
	targetless := of.NewTargetlessEvaluationContext(map[string]any{"a": 1})
	for _, c := range []struct {
		about   string
		rollout *fixed
		change  func(*config, *definition)
		forced  string
		unit    of.EvaluationContext // zero: of ann
		reason  of.Reason
		variant string
		value   string
		code    of.ErrorCode
		source  string
	}{
		{about: "off", rollout: &fixed{}, reason: of.DisabledReason, value: "none", source: "off"},
		{about: "on", rollout: on("red"), reason: of.StaticReason, variant: "red", value: "red!", source: "resolved"},
		{about: "conditional", rollout: decided(core.Conditional, ""), reason: of.SplitReason, variant: "control", value: "grey", source: "resolved"},
		{about: "segmented", rollout: on("red"), unit: user("vip"), reason: of.TargetingMatchReason, variant: "red", value: "red!", source: "segmented",
			change: func(_ *config, d *definition) { d.Segments = []core.Segment[string]{{If: is("vip"), Variant: "red"}} }},
		{about: "forced", rollout: on("red"), forced: "control", reason: of.TargetingMatchReason, variant: "control", value: "grey", source: "forced",
			change: func(c *config, _ *definition) { c.AllowForced = true }},
		{about: "excluded", rollout: on("red"), unit: user("staff"), reason: of.DefaultReason, variant: "control", value: "grey", source: "excluded",
			change: func(_ *config, d *definition) { d.Exclusions = []core.Rule[string]{{If: is("staff")}} }},
		{about: "outside", rollout: &fixed{Decision: core.Decision{State: core.Conditional, Outside: true}}, reason: of.DefaultReason, variant: "control", value: "grey", source: "outside"},
		{about: "unassigned", rollout: on("red"), reason: of.DefaultReason, variant: "control", value: "grey", source: "unassigned",
			change: func(_ *config, d *definition) { d.OnlyAssigned = true }},
		{about: "opted out", rollout: on("red"), reason: of.DefaultReason, variant: "control", value: "grey", source: "opted-out",
			change: func(c *config, _ *definition) { c.OptOut = func(context.Context, any) bool { return true } }},
		{about: "anonymous", rollout: on("red"), reason: of.ErrorReason, value: "none", code: of.TargetingKeyMissingCode, source: "no-unit", change: unit(core.Actor(""))},
		{about: "unit fault", rollout: on("red"), reason: of.ErrorReason, value: "none", code: of.InvalidContextCode, source: "no-unit", change: unit(core.NewUnit(core.String("", "x")))},
		{about: "not ready", rollout: &fixed{err: core.ErrNotReady}, reason: of.ErrorReason, value: "none", code: of.ProviderNotReadyCode, source: "error"},
		{about: "flag absent", rollout: &fixed{err: core.ErrFlagNotFound}, reason: of.ErrorReason, value: "none", code: of.FlagNotFoundCode, source: "error"},
		{about: "flag system fails", rollout: &fixed{err: errors.New("500")}, reason: of.ErrorReason, value: "none", code: of.GeneralCode, source: "error"},
		{about: "unknown variant", rollout: on("green"), reason: of.ErrorReason, value: "none", code: of.GeneralCode, source: "error"},
		{about: "the behaviour fails", rollout: on("red"), reason: of.ErrorReason, value: "none", code: of.GeneralCode, source: "resolved",
			change: behaviour(func() error { return errors.New("no red left") })},
		{about: "the behaviour panics", rollout: on("red"), reason: of.ErrorReason, value: "none", code: of.GeneralCode,
			change: behaviour(func() error { panic("spilled") })},
		{about: "no subject, no targeting key", rollout: on("red"), unit: targetless, reason: of.ErrorReason, value: "none", code: of.TargetingKeyMissingCode},
	} {
		t.Run(c.about, func(t *testing.T) {
			s := newShop(t, c.rollout, c.change)
			ctx := ctx
			if c.forced != "" {
				ctx = core.WithForced(ctx, "pill_color", c.forced)
			}
			if c.unit.TargetingKey() == "" && len(c.unit.Attributes()) == 0 {
				c.unit = user("ann")
			}
			details, err := s.StringValueDetails(ctx, "pill_color", "none", c.unit)
			require.Equal(t, c.code != "", err != nil, err)
			source, _ := details.FlagMetadata.GetString("source")
			require.Equal(t, []any{c.reason, c.variant, c.value, c.code, c.source},
				[]any{details.Reason, details.Variant, details.Value, details.ErrorCode, source})
		})
	}
}

func TestProviderServesWhatIsStored(t *testing.T) {
	decision := on("red")
	s := newShop(t, decision, func(c *core.Config, _ *core.Definition[string, string]) { c.OnRolloutError = core.ServeStored })
	reason := func() of.Reason {
		details, err := s.StringValueDetails(ctx, "pill_color", "none", user("ann"))
		require.NoError(t, err)
		require.Equal(t, "red!", details.Value)
		require.Equal(t, "red", details.Variant)
		return details.Reason
	}
	require.Equal(t, of.StaticReason, reason())
	decision.State = core.Conditional
	require.Equal(t, of.CachedReason, reason())
	decision.err = errors.New("500")
	require.Equal(t, of.Reason("STALE"), reason())
}

// Without a list the provider has all experiments that are bound, later too.
func TestProviderFindsBoundExperiments(t *testing.T) {
	client, _, _ := experiments(t, nil)
	flags := serve(t, openfeature.NewProvider(client))
	fails := func(want string, code of.ErrorCode, unit of.EvaluationContext) {
		t.Helper()
		details, err := flags.StringValueDetails(ctx, "pill_color", "none", unit)
		require.ErrorContains(t, err, want)
		require.Equal(t, code, details.ErrorCode)
	}
	const unbound = `no experiment called "pill_color" is bound`
	fails(unbound, of.FlagNotFoundCode, user("ann"))
	e := must(core.Define(client, definition("pill_color", on("red"), "red", "blue")))
	fails(unbound, of.FlagNotFoundCode, user("ann"))
	bound := core.Bind(e, func(attrs map[string]any) (string, error) {
		if attrs["plan"] != "pro" {
			return "", errors.New("no plan")
		}
		return byKey(attrs)
	})
	fails("no plan", of.InvalidContextCode, user("ann"))
	fails("no plan", of.TargetingKeyMissingCode, user(""))
	color, err := flags.StringValue(ctx, "pill_color", "none", of.NewEvaluationContext("ann", map[string]any{"plan": "pro"}))
	require.NoError(t, err)
	require.Equal(t, "red!", color)

	listed := serve(t, openfeature.NewProvider(client, bound))
	_, err = listed.StringValue(ctx, "elsewhere", "none", user("ann"))
	require.ErrorContains(t, err, "FLAG_NOT_FOUND")
}

func TestProviderTypes(t *testing.T) {
	type (
		color  string
		layout struct{ Columns int }
	)
	two := &layout{Columns: 2}
	defaults := map[string]any{"bool": false, "string": "default", "int": int64(-1), "float": -1.0, "object": "default"}
	for _, c := range []struct {
		value any
		want  map[string]any // by evaluation; the others are a mismatch
	}{
		{true, map[string]any{"bool": true}},
		{"red", map[string]any{"string": "red"}},
		{color("red"), map[string]any{"string": "red"}},
		{7, map[string]any{"int": int64(7), "float": 7.0}},
		{uint8(7), map[string]any{"int": int64(7), "float": 7.0}},
		{int64(math.MaxInt64), map[string]any{"int": int64(math.MaxInt64)}},
		{uint64(math.MaxUint64), nil},
		{0.5, map[string]any{"float": 0.5}},
		{float32(0.5), map[string]any{"float": 0.5}},
		{map[string]any{"a": 1}, map[string]any{"object": map[string]any{"a": 1}}},
		{layout{Columns: 2}, map[string]any{"object": layout{Columns: 2}}},
		{two, map[string]any{"object": two}},
		{[]string{"a"}, map[string]any{"object": []string{"a"}}},
		{nil, defaults},
		{(*layout)(nil), defaults},
		{func() {}, nil},
	} {
		t.Run(fmt.Sprintf("%T", c.value), func(t *testing.T) {
			client, _, _ := experiments(t, nil)
			e, err := core.Define(client, core.Definition[string, any]{Name: "flag", Unit: core.Actor[string],
				Variants: []core.Variant[string, any]{{Name: "it", Value: c.value}}, Rollout: on("it")})
			require.NoError(t, err)
			flags := serve(t, openfeature.NewProvider(client, core.Bind(e, byKey)))
			for kind, evaluate := range map[string]func() (any, error){
				"bool":   func() (any, error) { return flags.BooleanValue(ctx, "flag", false, user("ann")) },
				"string": func() (any, error) { return flags.StringValue(ctx, "flag", "default", user("ann")) },
				"int":    func() (any, error) { return flags.IntValue(ctx, "flag", -1, user("ann")) },
				"float":  func() (any, error) { return flags.FloatValue(ctx, "flag", -1, user("ann")) },
				"object": func() (any, error) { return flags.ObjectValue(ctx, "flag", "default", user("ann")) },
			} {
				got, err := evaluate()
				if want, ok := c.want[kind]; ok {
					require.NoError(t, err, "as %s", kind)
					require.Equal(t, want, got, "as %s", kind)
				} else {
					require.ErrorContains(t, err, "TYPE_MISMATCH", "as %s", kind)
				}
			}
		})
	}
}

func TestProviderTracks(t *testing.T) {
	client, events, log := experiments(t, nil)
	for _, name := range []string{"pill_color", "checkout", "never_seen"} {
		core.Bind(must(core.Define(client, definition(name, on("it"), "it"))), byKey)
	}
	p := openfeature.NewProvider(client)
	flags := serve(t, p)
	details := of.NewTrackingEventDetails(9.5).Add("label", "pills").Add("property", 3).Add("basket", "b1")
	flags.Track(ctx, "bought", user("ann"), details)
	require.Empty(t, events.Take(), "who is in no experiment is not enrolled")

	flags.String(ctx, "pill_color", "none", user("ann"))
	flags.String(ctx, "checkout", "none", user("ann"))
	events.Take()
	flags.Track(ctx, "bought", user("ann"), details)
	got := events.Take()
	require.Len(t, got, 2)
	for i, experiment := range []string{"checkout", "pill_color"} {
		require.Equal(t, experiment, got[i].Experiment)
		require.Equal(t, "bought", got[i].Action)
		require.Equal(t, "it", got[i].Variant)
		require.Equal(t, 9.5, got[i].Value)
		require.Equal(t, "pills", got[i].Label)
		require.Equal(t, map[string]any{"property": 3, "basket": "b1"}, got[i].Fields)
	}

	flags.Track(ctx, "bought", user("bob"), of.NewTrackingEventDetails(1).Add("experiment", "pill_color"))
	got = events.Take()
	require.Len(t, got, 1, "the experiment that is named enrols")
	require.Nil(t, got[0].Fields)

	require.Empty(t, log.String())
	flags.Track(ctx, "lost", user("ann"), of.NewTrackingEventDetails(1).Add("experiment", "elsewhere"))
	require.Contains(t, log.String(), "elsewhere")
	flags.Track(ctx, "no subject", of.EvaluationContext{}, details)
	require.Contains(t, log.String(), "who is it?")
	flags.Track(ctx, "assignment", user("ann"), details)
	require.Contains(t, log.String(), "belongs to the automatic event")
	p.Shutdown()
	flags.Track(ctx, "bought", user("ann"), details)
	require.Empty(t, events.Take())
}
