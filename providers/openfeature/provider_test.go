package openfeature_test

import (
	"context"
	"errors"
	"math"
	"testing"

	of "github.com/open-feature/go-sdk/openfeature"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/tracking"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// A flag decides what the test says.
type flag struct {
	d   core.Decision
	err error
}

func (f *flag) Resolve(context.Context, core.Request) (core.Decision, error) { return f.d, f.err }

func on(variant string) *flag { return &flag{d: core.Decision{State: core.On, Variant: variant}} }

// byKey makes a subject of the targeting key.
func byKey(attrs map[string]any) (string, error) {
	id, ok := attrs[of.TargetingKey].(string)
	if !ok {
		return "", errors.New("who is it?")
	}
	return id, nil
}

// A shop is an OpenFeature client whose provider is pill_color.
type shop struct {
	*of.Client
	core     *core.Client
	exp      *core.Experiment[string, string]
	events   *tracking.Recorder
	log      *logbook
	provider *openfeature.Provider
}

func newShop(t testing.TB, r core.Rollout, change func(*core.Config, *core.Definition[string, string])) *shop {
	t.Helper()
	def := core.Definition[string, string]{
		Name:     "pill_color",
		Unit:     func(id string) core.Unit { return core.Actor(id) },
		Control:  core.Variant[string, string]{Value: "grey"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red!"}, {Name: "blue", Run: paint}},
		Rollout:  r,
	}
	s := &shop{}
	s.core, s.events, s.log = experiments(t, func(c *core.Config) {
		if change != nil {
			change(c, &def)
		}
	})
	var err error
	s.exp, err = core.Define(s.core, def)
	require.NoError(t, err)
	s.provider = openfeature.NewProvider(s.core, core.Expose(s.exp, byKey))
	s.Client = serve(t, s.provider)
	return s
}

func paint(_ context.Context, id string) (string, error) {
	switch id {
	case "allergic":
		return "", errors.New("no blue left")
	case "clumsy":
		panic("spilled")
	}
	return "blue for " + id, nil
}

func TestProviderRunsExperiments(t *testing.T) {
	s := newShop(t, &flag{d: core.Decision{State: core.Conditional, Variant: "blue"}}, nil)
	details, err := s.StringValueDetails(ctx, "pill_color", "none", user("ann"))
	require.NoError(t, err)
	require.Equal(t, "blue for ann", details.Value)
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
	vip := func(_ context.Context, id string) bool { return id == "vip" }
	staff := func(_ context.Context, id string) bool { return id == "staff" }
	errFlag := errors.New("500")
	for _, c := range []struct {
		about   string
		rollout *flag
		change  func(*core.Config, *core.Definition[string, string])
		ctx     context.Context
		unit    of.EvaluationContext
		reason  of.Reason
		variant string
		value   string
		code    of.ErrorCode
		source  string
	}{
		{about: "off", rollout: &flag{}, reason: of.DisabledReason, value: "none", source: "off"},
		{about: "on", rollout: on("red"), reason: of.StaticReason, variant: "red", value: "red!", source: "resolved"},
		{about: "conditional", rollout: &flag{d: core.Decision{State: core.Conditional}}, reason: of.SplitReason, variant: "control", value: "grey", source: "resolved"},
		{about: "segmented", rollout: on("red"), unit: user("vip"), reason: of.TargetingMatchReason, variant: "red", value: "red!", source: "segmented",
			change: func(_ *core.Config, d *core.Definition[string, string]) {
				d.Segments = []core.Segment[string]{{If: vip, Into: "red"}}
			}},
		{about: "forced", rollout: on("red"), ctx: core.WithForced(ctx, "pill_color", "control"), reason: of.TargetingMatchReason, variant: "control", value: "grey", source: "forced",
			change: func(c *core.Config, _ *core.Definition[string, string]) { c.AllowForced = true }},
		{about: "excluded", rollout: on("red"), unit: user("staff"), reason: of.DefaultReason, variant: "control", value: "grey", source: "excluded",
			change: func(_ *core.Config, d *core.Definition[string, string]) {
				d.Exclusions = []core.Rule[string]{{If: staff}}
			}},
		{about: "outside", rollout: &flag{d: core.Decision{State: core.Conditional, Outside: true}}, reason: of.DefaultReason, variant: "control", value: "grey", source: "outside"},
		{about: "unassigned", rollout: on("red"), reason: of.DefaultReason, variant: "control", value: "grey", source: "unassigned",
			change: func(_ *core.Config, d *core.Definition[string, string]) { d.OnlyAssigned = true }},
		{about: "opted out", rollout: on("red"), reason: of.DefaultReason, variant: "control", value: "grey", source: "opted-out",
			change: func(c *core.Config, _ *core.Definition[string, string]) {
				c.OptOut = func(context.Context, any) bool { return true }
			}},
		{about: "anonymous", rollout: on("red"), reason: of.ErrorReason, value: "none", code: of.TargetingKeyMissingCode, source: "no-unit",
			change: func(_ *core.Config, d *core.Definition[string, string]) {
				d.Unit = func(string) core.Unit { return core.Actor("") }
			}},
		{about: "unit fault", rollout: on("red"), reason: of.ErrorReason, value: "none", code: of.InvalidContextCode, source: "no-unit",
			change: func(_ *core.Config, d *core.Definition[string, string]) {
				d.Unit = func(string) core.Unit { return core.NewUnit(core.String("", "x")) }
			}},
		{about: "not ready", rollout: &flag{err: core.ErrNotReady}, reason: of.ErrorReason, value: "none", code: of.ProviderNotReadyCode, source: "error"},
		{about: "flag absent", rollout: &flag{err: core.ErrFlagNotFound}, reason: of.ErrorReason, value: "none", code: of.FlagNotFoundCode, source: "error"},
		{about: "flag system fails", rollout: &flag{err: errFlag}, reason: of.ErrorReason, value: "none", code: of.GeneralCode, source: "error"},
		{about: "unknown variant", rollout: on("green"), reason: of.ErrorReason, value: "none", code: of.GeneralCode, source: "error"},
		{about: "the behaviour fails", rollout: on("blue"), unit: user("allergic"), reason: of.ErrorReason, value: "none", code: of.GeneralCode, source: "resolved"},
		{about: "the behaviour panics", rollout: on("blue"), unit: user("clumsy"), reason: of.ErrorReason, value: "none", code: of.GeneralCode},
		{about: "no subject, no targeting key", rollout: on("red"), unit: of.NewTargetlessEvaluationContext(map[string]any{"a": 1}), reason: of.ErrorReason, value: "none", code: of.TargetingKeyMissingCode},
	} {
		t.Run(c.about, func(t *testing.T) {
			s := newShop(t, c.rollout, c.change)
			if c.ctx == nil {
				c.ctx = ctx
			}
			if c.unit.TargetingKey() == "" && c.unit.Attributes()["a"] == nil {
				c.unit = user("ann")
			}
			details, err := s.StringValueDetails(c.ctx, "pill_color", "none", c.unit)
			require.Equal(t, c.code != "", err != nil, err)
			require.Equal(t, c.code, details.ErrorCode)
			require.Equal(t, c.reason, details.Reason)
			require.Equal(t, c.variant, details.Variant)
			require.Equal(t, c.value, details.Value)
			source, _ := details.FlagMetadata.GetString("source")
			require.Equal(t, c.source, source)
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
	decision.d = core.Decision{State: core.Conditional, Variant: "blue"}
	require.Equal(t, of.CachedReason, reason())
	decision.err = errors.New("500")
	require.Equal(t, of.Reason("STALE"), reason())
}

func TestProviderFlags(t *testing.T) {
	s := newShop(t, on("red"), nil)
	_, err := s.StringValue(ctx, "elsewhere", "none", user("ann"))
	require.ErrorContains(t, err, `FLAG_NOT_FOUND: no experiment called "elsewhere" is exposed`)
	details, err := s.StringValueDetails(ctx, "pill_color", "none", of.NewEvaluationContext("", nil))
	require.Error(t, err)
	require.Equal(t, of.TargetingKeyMissingCode, details.ErrorCode)

	// Without a list the provider has all that is exposed, later too.
	client, _, _ := experiments(t, nil)
	all := serve(t, openfeature.NewProvider(client))
	_, err = all.StringValue(ctx, "pill_color", "none", user("ann"))
	require.Error(t, err)
	e := pill(t, client, on("red"))
	_, err = all.StringValue(ctx, "pill_color", "none", user("ann"))
	require.Error(t, err, "defined, but not exposed")
	core.Expose(e, func(attrs map[string]any) (string, error) {
		if attrs["plan"] != "pro" {
			return "", errors.New("no plan")
		}
		return byKey(attrs)
	})
	color, err := all.StringValue(ctx, "pill_color", "none", of.NewEvaluationContext("ann", map[string]any{"plan": "pro"}))
	require.NoError(t, err)
	require.Equal(t, "red!", color)
	details, err = all.StringValueDetails(ctx, "pill_color", "none", user("ann"))
	require.ErrorContains(t, err, "no plan")
	require.Equal(t, of.InvalidContextCode, details.ErrorCode)
}

type (
	color  string
	layout struct{ Columns int }
)

// evaluations are the five ways to evaluate the flag "flag".
var evaluations = map[string]func(*of.Client) (any, error){
	"bool":   func(c *of.Client) (any, error) { return c.BooleanValue(ctx, "flag", false, user("ann")) },
	"string": func(c *of.Client) (any, error) { return c.StringValue(ctx, "flag", "default", user("ann")) },
	"int":    func(c *of.Client) (any, error) { return c.IntValue(ctx, "flag", -1, user("ann")) },
	"float":  func(c *of.Client) (any, error) { return c.FloatValue(ctx, "flag", -1, user("ann")) },
	"object": func(c *of.Client) (any, error) { return c.ObjectValue(ctx, "flag", "default", user("ann")) },
}

func TestProviderTypes(t *testing.T) {
	two := &layout{Columns: 2}
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
		{nil, map[string]any{"bool": false, "string": "default", "int": int64(-1), "float": -1.0, "object": "default"}},
		{(*layout)(nil), map[string]any{"bool": false, "string": "default", "int": int64(-1), "float": -1.0, "object": "default"}},
		{func() {}, nil},
	} {
		client, _, _ := experiments(t, nil)
		e, err := core.Define(client, core.Definition[string, any]{
			Name:     "flag",
			Unit:     func(id string) core.Unit { return core.Actor(id) },
			Variants: []core.Variant[string, any]{{Name: "it", Value: c.value}},
			Rollout:  on("it"),
		})
		require.NoError(t, err)
		flags := serve(t, openfeature.NewProvider(client, core.Expose(e, byKey)))
		for kind, evaluate := range evaluations {
			got, err := evaluate(flags)
			want, ok := c.want[kind]
			if !ok {
				require.ErrorContains(t, err, "TYPE_MISMATCH", "%T as %s", c.value, kind)
				continue
			}
			require.NoError(t, err, "%T as %s", c.value, kind)
			require.Equal(t, want, got, "%T as %s", c.value, kind)
		}
	}
}

func TestProviderTracks(t *testing.T) {
	s := newShop(t, on("red"), nil)
	details := of.NewTrackingEventDetails(9.5).Add("label", "pills").Add("property", 3).Add("basket", "b1")
	s.Track(ctx, "bought", user("ann"), details)
	require.Empty(t, s.events.Take(), "who is in no experiment is not enrolled")

	s.String(ctx, "pill_color", "none", user("ann"))
	s.events.Take()
	s.Track(ctx, "bought", user("ann"), details)
	got := s.events.Take()
	require.Len(t, got, 1)
	require.Equal(t, "bought", got[0].Action)
	require.Equal(t, "red", got[0].Variant)
	require.Equal(t, 9.5, got[0].Value)
	require.Equal(t, "pills", got[0].Label)
	require.Equal(t, map[string]any{"property": 3, "basket": "b1"}, got[0].Fields)

	named := of.NewTrackingEventDetails(1).Add("experiment", "pill_color")
	s.Track(ctx, "bought", user("bob"), named)
	got = s.events.Take()
	require.Len(t, got, 1, "the experiment that is named enrols")
	require.Nil(t, got[0].Fields)

	require.Empty(t, s.log.String())
	s.Track(ctx, "lost", user("ann"), of.NewTrackingEventDetails(1).Add("experiment", "elsewhere"))
	require.Contains(t, s.log.String(), "elsewhere")
	s.Track(ctx, "no subject", of.EvaluationContext{}, details)
	require.Contains(t, s.log.String(), "who is it?")
	s.Track(ctx, "assignment", user("ann"), details)
	require.Contains(t, s.log.String(), "belongs to the automatic event")
	require.Empty(t, s.events.Take())

	s.provider.Shutdown()
	s.Track(ctx, "bought", user("ann"), details)
	require.Empty(t, s.events.Take())
}

// An app that tracks for one unit in several experiments names none of them.
func TestProviderTracksInAllExperiments(t *testing.T) {
	client, events, _ := experiments(t, nil)
	pill := pill(t, client, on("red"))
	core.Expose(pill, byKey)
	for _, name := range []string{"checkout", "never_seen"} {
		e, err := core.Define(client, core.Definition[string, string]{Name: name, Rollout: on("it"),
			Unit: func(id string) core.Unit { return core.Actor(id) }, Variants: []core.Variant[string, string]{{Name: "it"}}})
		require.NoError(t, err)
		core.Expose(e, byKey)
	}
	flags := serve(t, openfeature.NewProvider(client))
	flags.String(ctx, "pill_color", "none", user("ann"))
	flags.String(ctx, "checkout", "none", user("ann"))
	events.Take()
	flags.Track(ctx, "bought", user("ann"), of.NewTrackingEventDetails(1).Add("basket", "b1"))
	got := events.Take()
	require.Len(t, got, 2)
	require.Equal(t, "checkout", got[0].Experiment)
	require.Equal(t, "pill_color", got[1].Experiment)
}
