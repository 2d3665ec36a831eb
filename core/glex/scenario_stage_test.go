package glex_test

import (
	"context"
	"log/slog"
	"slices"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/providers/percent"
	"github.com/stretchr/testify/require"
)

// experiment returns the class as an experiment, on a client of its own: a class
// that is built again would else be defined twice.
func (g *stage) experiment(class string, name any) *core.Experiment[glex.Context, any] {
	full := g.full(class, name)
	if e := g.exps[full]; e != nil {
		return e
	}
	c, ok := g.classes[class]
	if !ok {
		panic(cannot("no class " + class))
	}
	cfg := core.Config{
		KeyScheme: glex.Scheme{}, KeySecret: []byte("s3cret"), InsecureNoSecret: true,
		Nesting: g.nesting, Logger: slog.New(slog.DiscardHandler),
		Tracker: core.TrackerFunc(func(_ context.Context, e core.Event) error {
			g.events = append(g.events, e)
			return nil
		}),
	}
	if g.store != nil {
		cfg.Store = g.store
	}
	client, err := core.New(cfg)
	require.NoError(g.t, err)
	def := core.Definition[glex.Context, any]{
		Name: full, Unit: glex.Context.Unit, StickyPolicy: core.ExclusionFirst,
	}
	g.behaviours(&def, c)
	g.rules(&def, c)
	def.Rollout, def.Enabled = g.rollout(c.Rollout)
	for _, cb := range c.Callbacks {
		if cb["abort"] != nil || cb["no_yield"] != nil {
			panic(cannot("an Around can't keep the behaviour from running"))
		}
		def.Around = append(def.Around, core.Before(func(context.Context, core.Assignment) {}))
	}
	e, err := core.Define(client, def)
	if err != nil {
		panic(cannot(err.Error()))
	}
	g.exps[full] = e
	return e
}

// inline repeats experiment(:name, ...) with a block that names behaviours, of an
// experiment without a class, and runs it.
func (g *stage) inline(trial, name string, options map[string]any) any {
	class := scenarioClass{Rollout: "configuration default"}
	if g.s.Config["strict_registration"] == true {
		panic(cannot("StrictRegistration forbids Inline, which serves control"))
	}
	block, _ := options["block"].([]any)
	for _, step := range block {
		if call := step.([]any); call[0] == "behavior" {
			class.Behaviors = append(class.Behaviors, scenarioBehaviour{Name: call[2].(string), Returns: call[3]})
		}
	}
	if class.Behaviors == nil {
		panic(cannot("an inline experiment without behaviours"))
	}
	g.classes[name] = class
	g.trials[trial] = g.experiment(name, nil).For(g.context(options["context"]))
	value, err := g.trials[trial].Run(context.Background())
	require.NoError(g.t, err)
	return value
}

func (g *stage) behaviours(def *core.Definition[glex.Context, any], c scenarioClass) {
	if c.Behaviors == nil {
		def.Control.Value = "c"
		def.Variants = []core.Variant[glex.Context, any]{{Name: "red", Value: "r"}, {Name: "blue", Value: "b"}}
		return
	}
	control := false
	for _, b := range c.Behaviors {
		v := core.Variant[glex.Context, any]{Name: b.Name, Value: b.Returns}
		if b.NoBlock || b.If != nil {
			panic(cannot("a variant is a value or a function"))
		}
		if b.Nest != nil {
			class, ok := b.Nest["class"].(string)
			if !ok {
				panic(cannot("an inner experiment without a class"))
			}
			v.Run = func(ctx context.Context, _ glex.Context) (any, error) {
				inner, err := g.experiment(class, nil).Run(ctx, g.context(b.Nest["context"]))
				return []any{b.Returns, inner}, err
			}
		}
		if b.Name == core.Control {
			def.Control, control = v, true
		} else {
			def.Variants = append(def.Variants, v)
		}
	}
	if !control {
		panic(cannot("an experiment always has control"))
	}
}

func (g *stage) rules(def *core.Definition[glex.Context, any], c scenarioClass) {
	for _, r := range c.Exclude {
		def.Exclusions = append(def.Exclusions, core.Rule[glex.Context]{If: g.rule(r, true)})
	}
	for _, r := range c.Segment {
		def.Segments = append(def.Segments, core.Segment[glex.Context]{If: g.rule(r, false), Into: r.Variant})
	}
}

// rule returns what a rule's block says. The gem excludes for true alone, and
// segments for all but nil and false.
func (g *stage) rule(r scenarioRule, strict bool) func(context.Context, glex.Context) bool {
	if r.SeesState != "" {
		panic(cannot("a rule does not see what is assigned"))
	}
	return func(_ context.Context, c glex.Context) bool {
		says := r.Returns
		switch {
		case r.Flag != "":
			if says = r.Default; g.flags[r.Flag] != nil {
				says = g.flags[r.Flag]
			}
		case r.ActorIn != nil:
			i := slices.IndexFunc(c.Attrs, func(a core.Attr) bool { return a.Name == "actor" })
			says = i >= 0 && slices.Contains(r.ActorIn, glex.Text(c.Attrs[i]))
		case r.Symbol != nil:
			says = r.Symbol
		}
		return says == true || !strict && says != nil && says != false
	}
}

// rollout returns the class's rollout, and what enables it.
func (g *stage) rollout(spec any) (core.Rollout, func(context.Context) bool) {
	draw := glex.Draw{Version: glex.V07, Running: true}
	if spec == "configuration default" {
		draw.IncludeControl = true
		return glex.Percent(draw), nil
	}
	r, _ := spec.(map[string]any)
	options, _ := r["options"].(map[string]any)
	draw.IncludeControl = options["include_control"] == true
	if list, ok := options["distribution"].([]any); ok {
		for _, p := range list {
			draw.Array = append(draw.Array, p.(float64))
		}
	}
	switch kind := r["type"]; kind {
	case nil, "percent":
		return glex.Percent(draw), nil
	case "switch":
		return glex.Percent(draw), func(context.Context) bool {
			if flag, ok := options["flag"].(string); ok {
				return g.flags[flag] != false
			}
			return options["enabled"] != false
		}
	case "first":
		return core.RolloutFunc(func(_ context.Context, r core.Request) (core.Decision, error) {
			d := core.Decision{State: core.Conditional}
			if !draw.IncludeControl && len(r.Variants) > 1 {
				d.Variant = r.Variants[1]
			}
			return d, nil
		}), nil
	case "random":
		return percent.Random(), nil
	case "round_robin":
		if g.store == nil {
			return glex.RoundRobin(nil, draw), nil
		}
		return glex.RoundRobin(g.store, draw), nil
	}
	panic(cannot("no such rollout"))
}

// context returns recorded arguments.
func (g *stage) context(pairs any) (c glex.Context) {
	attrs := func(list any) (attrs []core.Attr) {
		for _, p := range list.([]any) {
			pair := p.([]any)
			value := pair[1]
			if f, ok := value.(float64); ok && f == float64(int64(f)) {
				value = int64(f)
			}
			a, err := glex.Any(pair[0].(string), value)
			require.NoError(g.t, err)
			attrs = append(attrs, a)
		}
		return attrs
	}
	if pairs == nil {
		return c
	}
	for _, p := range pairs.([]any) {
		pair := p.([]any)
		hash, _ := pair[1].(map[string]any)
		switch pair[0] {
		case "migrated_with":
			c.MigratedWith = append(c.MigratedWith, attrs(hash["hash"]))
		case "migrated_from":
			c.MigratedFrom = append(c.MigratedFrom, attrs(hash["hash"]))
		default:
			c.Attrs = append(c.Attrs, attrs([]any{pair})...)
		}
	}
	return c
}
