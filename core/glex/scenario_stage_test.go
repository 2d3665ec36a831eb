package glex_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

type scenarioClass struct {
	Name             string
	Behaviors        []scenarioBehaviour
	Rollout          scenarioRollout
	Exclude, Segment []scenarioRule
}

type scenarioBehaviour struct {
	Name    string
	Returns any
	Nest    *struct {
		Class   string
		Context []any
	}
}

type scenarioRollout struct {
	Type    string
	Options struct {
		Distribution   []float64
		IncludeControl bool `json:"include_control"`
		Enabled        *bool
		Flag           string
	}
}

// UnmarshalJSON also reads "configuration default", which includes control.
func (r *scenarioRollout) UnmarshalJSON(b []byte) error {
	type plain scenarioRollout
	if b[0] == '"' {
		r.Options.IncludeControl = true
		return nil
	}
	return json.Unmarshal(b, (*plain)(r))
}

type scenarioRule struct {
	Returns any
	Flag    string
	Default any
	Symbol  any `json:"symbol_returns"`
	Variant string
}

// A stage is one scenario on the core.
type stage struct {
	t           *testing.T
	s           *scenario
	store       *gemStore // nil: none
	flags       map[string]any
	classes     map[string]scenarioClass
	experiments map[string]*core.Experiment[glex.Context, any]
	trials      map[string]*core.Trial[glex.Context, any]
	tracked     [][]any
}

func newStage(t *testing.T, s *scenario) *stage {
	g := &stage{t: t, s: s, flags: map[string]any{}, classes: map[string]scenarioClass{},
		experiments: map[string]*core.Experiment[glex.Context, any]{}, trials: map[string]*core.Trial[glex.Context, any]{}}
	if cache := s.Config["cache"]; cache == "memory" || cache == "redis" {
		g.store = newGemStore()
	}
	if len(s.Classes) == 0 {
		s.Classes = []scenarioClass{{}}
	}
	for _, c := range s.Classes {
		g.addClass(c)
	}
	for _, p := range s.Prior {
		full := g.fullName(p[0].(string))
		key, _, err := g.context(p[1]).Keys(glex.Scheme{}, recordedSecret, full)
		require.NoError(t, err)
		g.store.put(full, key, p[2].(string))
	}
	return g
}

func (g *stage) addClass(c scenarioClass) {
	if c.Name == "" {
		c.Name = "PillColorExperiment"
	}
	g.classes[c.Name] = c
}

func (g *stage) fullName(given string) string {
	name, err := glex.Name(given)
	require.NoError(g.t, err)
	switch prefix, ok := g.s.Config["name_prefix"]; {
	case !ok:
		return "gitlab_" + name
	case prefix != nil:
		return prefix.(string) + "_" + name
	}
	return name
}

func (g *stage) context(pairs any) glex.Context {
	list, _ := pairs.([]any)
	c, err := recordedContext(g.t, pairsOf(list))
	require.NoError(g.t, err)
	return c
}

// experiment returns the class as an experiment, on a client of its own: a class
// that is built again would else be defined twice.
func (g *stage) experiment(class string, name any) (*core.Experiment[glex.Context, any], error) {
	given, _ := name.(string)
	if given == "" {
		given = class
	}
	full := g.fullName(given)
	if e := g.experiments[full]; e != nil {
		return e, nil
	}
	cfg := core.Config{
		KeyScheme: glex.Scheme{}, KeySecret: []byte(recordedSecret), InsecureNoSecret: true,
		Nesting: core.NestingForbidden, Logger: slog.New(slog.DiscardHandler),
		Tracker: core.TrackerFunc(func(_ context.Context, e core.Event) error {
			g.tracked = append(g.tracked, []any{e.Experiment, e.Action, e.Variant, g.nameOfKey(e.Key), textOfFields(e.Fields)})
			return nil
		}),
	}
	if g.s.Config["nested"] == "allow" {
		cfg.Nesting = core.NestingAllowed
	}
	if g.store != nil {
		cfg.Store = g.store
	}
	client, err := core.New(cfg)
	require.NoError(g.t, err)
	c, ok := g.classes[class]
	require.True(g.t, ok, class)
	def := core.Definition[glex.Context, any]{Name: full, Unit: glex.Context.Unit, StickyPolicy: core.ExclusionFirst}
	g.behaviours(&def, c.Behaviors)
	for _, r := range c.Exclude {
		def.Exclusions = append(def.Exclusions, core.Rule[glex.Context]{If: g.rule(r, true)})
	}
	for _, r := range c.Segment {
		def.Segments = append(def.Segments, core.Segment[glex.Context]{If: g.rule(r, false), Variant: r.Variant})
	}
	def.Rollout, def.Enabled = g.rollout(c.Rollout)
	e, err := core.Define(client, def)
	if err == nil {
		g.experiments[full] = e
	}
	return e, err
}

func (g *stage) behaviours(def *core.Definition[glex.Context, any], behaviours []scenarioBehaviour) {
	if behaviours == nil {
		behaviours = []scenarioBehaviour{{Name: "control", Returns: "c"}, {Name: "red", Returns: "r"}, {Name: "blue", Returns: "b"}}
	}
	for _, b := range behaviours {
		v := core.Variant[glex.Context, any]{Name: b.Name, Value: b.Returns}
		if b.Nest != nil {
			v.Run = func(ctx context.Context, _ glex.Context) (any, error) {
				e, err := g.experiment(b.Nest.Class, nil)
				require.NoError(g.t, err)
				inner, err := e.Run(ctx, g.context(b.Nest.Context))
				return []any{b.Returns, inner}, err
			}
		}
		if b.Name == core.Control {
			def.Control = v
		} else {
			def.Variants = append(def.Variants, v)
		}
	}
}

// inline repeats experiment(:name, ...) with a block that names behaviours, of an
// experiment without a class, and runs it.
func (g *stage) inline(target, name string, options map[string]any) (any, error) {
	class := scenarioClass{Name: name}
	class.Rollout.Options.IncludeControl = true
	for _, step := range options["block"].([]any) {
		if call := step.([]any); call[0] == "behavior" {
			class.Behaviors = append(class.Behaviors, scenarioBehaviour{Name: call[2].(string), Returns: call[3]})
		}
	}
	g.addClass(class)
	e, err := g.experiment(name, nil)
	if err != nil {
		return nil, err
	}
	g.trials[target] = e.For(g.context(options["context"]))
	return g.trials[target].Run(context.Background())
}

// rule returns what a rule's block says. The gem excludes for true alone, and
// segments for all but nil and false.
func (g *stage) rule(r scenarioRule, strict bool) func(context.Context, glex.Context) bool {
	return func(context.Context, glex.Context) bool {
		says := r.Returns
		switch {
		case r.Flag != "":
			if says = r.Default; g.flags[r.Flag] != nil {
				says = g.flags[r.Flag]
			}
		case r.Symbol != nil:
			says = r.Symbol
		}
		return says == true || !strict && says != nil && says != false
	}
}

// rollout returns the class's rollout, and what enables it.
func (g *stage) rollout(r scenarioRollout) (core.Rollout, func(context.Context) bool) {
	o := r.Options
	d := glex.Draw{Version: glex.V07, Running: true, IncludeControl: o.IncludeControl, Array: o.Distribution}
	switch r.Type {
	case "switch":
		return glex.Percent(d), func(context.Context) bool {
			if o.Flag != "" {
				return g.flags[o.Flag] != false
			}
			return *o.Enabled
		}
	case "first":
		return core.RolloutFunc(func(_ context.Context, r core.Request) (core.Decision, error) {
			answer := core.Decision{State: core.Conditional}
			if !o.IncludeControl && len(r.Variants) > 1 {
				answer.Variant = r.Variants[1]
			}
			return answer, nil
		}), nil
	case "random":
		return percent.Random(), nil
	case "round_robin":
		if g.store == nil {
			return glex.RoundRobin(nil, d), nil
		}
		return glex.RoundRobin(g.store, d), nil
	}
	return glex.Percent(d), nil
}
