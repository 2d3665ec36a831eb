package glex_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/stretchr/testify/require"
)

// The scenarios were recorded from the gem 0.7.1; the file says how. Each is
// repeated on the core, set up as MIGRATING.md has it. One that comes out
// otherwise has to be in scenarioDiffers with the reason, and none is there
// that comes out the same.

type scenario struct {
	ID, Title string
	Config    map[string]any
	Classes   []scenarioClass
	Prior     [][]any `json:"prior_cache"`
	Request   any
	Calls     [][]any
	Keys      map[string]string
	Observed  scenarioObserved
}

type scenarioObserved struct {
	Results []struct {
		R     any
		Error []string
	}
	Tracked [][]any
	Cache   map[string]any `json:"cache_after"`
	Final   map[string]struct{ Assigned string }
}

type scenarioClass struct {
	Name            string
	Behaviors       []scenarioBehaviour
	Rollout         any
	Exclude         []scenarioRule
	Segment         []scenarioRule
	Callbacks       []map[string]any
	TrackingContext any `json:"tracking_context"`
}

type scenarioBehaviour struct {
	Name    string
	Returns any
	Nest    map[string]any
	NoBlock bool `json:"no_block"`
	If      any
}

type scenarioRule struct {
	Returns   any
	Flag      string
	Default   any
	ActorIn   []string `json:"actor_in"`
	SeesState string   `json:"sees_assigned"`
	Symbol    any      `json:"symbol_returns"`
	Variant   string
}

// cannot is a panic that says what the core has no word for.
type cannot string

func TestScenarios(t *testing.T) {
	raw, err := os.ReadFile("testdata/scenarios_public.json")
	require.NoError(t, err)
	var golden struct{ Scenarios []scenario }
	require.NoError(t, json.Unmarshal(raw, &golden))
	require.NotEmpty(t, golden.Scenarios)

	same, known := 0, map[string]bool{}
	for _, s := range golden.Scenarios {
		t.Run(s.ID, func(t *testing.T) {
			known[s.ID] = true
			difference := play(t, &s)
			switch why := scenarioDiffers[s.ID]; {
			case difference == "" && why == "":
				same++
			case difference == "":
				t.Errorf("%q comes out the same; it is no exception", s.Title)
			case why == "":
				t.Errorf("%q: %s", s.Title, difference)
			default:
				t.Logf("differs on purpose: %q: %s (%s)", s.Title, why, difference)
			}
		})
	}
	for id := range scenarioDiffers {
		require.True(t, known[id], "there is no scenario %s", id)
	}
	t.Logf("%d of %d scenarios come out the same, %d differ on purpose", same, len(golden.Scenarios), len(scenarioDiffers))
}

// A stage is one scenario on the core.
type stage struct {
	t       *testing.T
	s       *scenario
	prefix  string
	store   *layout // nil: none
	flags   map[string]any
	classes map[string]scenarioClass
	events  []core.Event
	trials  map[string]*core.Trial[glex.Context, any]
	exps    map[string]*core.Experiment[glex.Context, any]
	nesting core.Nesting
}

// play returns how the core differs, empty if it does not.
func play(t *testing.T, s *scenario) (difference string) {
	defer func() {
		if p := recover(); p != nil {
			c, ok := p.(cannot)
			if !ok {
				panic(p)
			}
			difference = string(c)
		}
	}()
	g := &stage{t: t, s: s, prefix: "gitlab", flags: map[string]any{}, classes: map[string]scenarioClass{},
		trials: map[string]*core.Trial[glex.Context, any]{}, exps: map[string]*core.Experiment[glex.Context, any]{},
		nesting: core.NestingForbidden}
	if p, ok := s.Config["name_prefix"]; ok {
		g.prefix, _ = p.(string)
	}
	if s.Config["nested"] == "allow" {
		g.nesting = core.NestingAllowed
	}
	if cache := s.Config["cache"]; cache == "memory" || cache == "redis" {
		g.store = newLayout()
	}
	if s.Request != nil {
		panic(cannot("a web request is core/web's"))
	}
	if len(s.Classes) == 0 {
		s.Classes = []scenarioClass{{}}
	}
	for _, c := range s.Classes {
		g.classes[orPill(c.Name)] = c
	}
	for _, p := range s.Prior {
		name := p[0].(string)
		key, _, err := g.context(p[1]).Keys(glex.Scheme{}, []byte("s3cret"), g.full(name, nil))
		require.NoError(t, err)
		g.store.put(g.full(name, nil), key, p[2].(string))
	}
	for i, call := range s.Calls {
		got := g.call(call)
		if want := s.Observed.Results[i]; want.Error != nil {
			return fmt.Sprintf("%v: the gem raises %s", call, want.Error[0])
		} else if got != skipped && !reflect.DeepEqual(want.R, got) {
			return fmt.Sprintf("%v: the gem returns %v, the core %v", call, want.R, got)
		}
	}
	return g.difference()
}

func orPill(name string) string {
	if name == "" {
		return "PillColorExperiment"
	}
	return name
}

// skipped is the result of calls whose result is not compared.
var skipped = any("not compared")

func (g *stage) full(class string, name any) string {
	given, _ := name.(string)
	if given == "" {
		given = class
	}
	short, err := glex.Name(given)
	require.NoError(g.t, err)
	if g.prefix == "" {
		return short
	}
	return g.prefix + "_" + short
}

// call repeats one call and returns its result.
func (g *stage) call(call []any) any {
	verb, ctx := call[0].(string), context.Background()
	switch verb {
	case "new":
		options := call[3].(map[string]any)
		e := g.experiment(call[2].(string), options["name"])
		trial := e.For(g.context(options["context"]))
		if v, ok := options["variant"].(string); ok {
			trial.AssignTo(v).Assign(ctx)
		}
		g.trials[call[1].(string)] = trial
		return skipped
	case "experiment":
		return g.inline(call[1].(string), call[2].(string), call[3].(map[string]any))
	case "set_flag":
		g.flags[call[1].(string)] = call[2]
		return skipped
	case "build_class":
		raw, _ := json.Marshal(call[1])
		var c scenarioClass
		require.NoError(g.t, json.Unmarshal(raw, &c))
		g.classes[orPill(c.Name)] = c
		clear(g.exps)
		return skipped
	case "clear":
		for _, e := range g.exps {
			require.NoError(g.t, e.Clear(ctx))
		}
		return skipped
	case "attr_inc":
		_, err := g.store.Increment(ctx, g.trials[call[1].(string)].Assign(ctx).Experiment, call[2].(string), 1)
		require.NoError(g.t, err)
		return skipped
	}
	if len(call) < 2 {
		panic(cannot("no " + verb))
	}
	trial := g.trials[call[1].(string)]
	if trial == nil {
		panic(cannot("no " + verb))
	}
	switch verb {
	case "run", "run_string":
		if len(call) > 2 && call[2] != "" {
			trial.AssignTo(call[2].(string))
		}
		value, err := trial.Run(ctx)
		require.NoError(g.t, err)
		return value
	case "assigned":
		return group(trial.Assign(ctx).Variant)
	case "assign", "assign_string":
		if call[2] != "" {
			trial.AssignTo(call[2].(string))
		}
		return group(trial.Assign(ctx).Variant)
	case "exclude!":
		trial.Exclude()
		return skipped
	case "excluded?":
		return trial.Assign(ctx).Excluded
	case "publish":
		trial.Publish(ctx)
		return skipped
	case "signature":
		s := trial.Signature(ctx)
		return map[string]any{"variant": s.Variant, "experiment": s.Experiment, "key": g.name(s.Key)}
	case "id":
		a := trial.Assign(ctx)
		return a.Experiment + ":" + g.name(a.Key)
	case "track":
		ev := core.Event{Action: call[2].(string), Fields: map[string]any{}}
		if len(call) > 3 {
			for k, v := range call[3].(map[string]any) {
				if v != nil {
					ev.Fields[k] = v
				}
			}
		}
		require.NoError(g.t, trial.Track(ctx, ev))
		return nil
	}
	panic(cannot("no " + verb))
}

func group(variant string) any {
	if variant == core.Control {
		return map[string]any{"variant": variant, "group": "control"}
	}
	return map[string]any{"variant": variant, "group": "experiment"}
}

// name returns the scenario's name of a key.
func (g *stage) name(key string) string {
	for name, k := range g.s.Keys {
		if k == key {
			return name
		}
	}
	return key
}

// difference compares what is there in the end.
func (g *stage) difference() string {
	want := g.s.Observed
	var tracked [][]any
	for _, e := range g.events {
		tracked = append(tracked, []any{e.Experiment, e.Action, e.Variant, g.name(e.Key), fields(e.Fields)})
	}
	var gems [][]any
	for _, e := range want.Tracked {
		action := e[1]
		if m, ok := action.(map[string]any); ok {
			action = m["sym"]
		}
		gems = append(gems, []any{e[0], action, e[3], e[4], fields(e[2])})
	}
	if fmt.Sprint(tracked) != fmt.Sprint(gems) {
		return fmt.Sprintf("the gem tracks %v, the core %v", gems, tracked)
	}
	if g.store != nil {
		if stands, gem := g.stored(), cached(want.Cache); !reflect.DeepEqual(stands, gem) {
			return fmt.Sprintf("the gem stores %v, the core %v", gem, stands)
		}
	}
	for name, f := range want.Final {
		if trial := g.trials[name]; trial != nil {
			if v := trial.Assign(context.Background()).Variant; v != f.Assigned {
				return fmt.Sprintf("%s: the gem has assigned %s, the core %s", name, f.Assigned, v)
			}
		}
	}
	return ""
}

func fields(f any) string {
	if m, ok := f.(map[string]any); ok && len(m) > 0 {
		raw, _ := json.Marshal(m)
		return string(raw)
	}
	return ""
}

// stored returns what the store holds, as "hash:field" = value.
func (g *stage) stored() map[string]string {
	got := map[string]string{}
	for experiment, hash := range g.store.hashes {
		for key, variant := range hash {
			got[experiment+":"+g.name(key)] = variant
		}
	}
	for hash, counts := range g.store.counts {
		for name, n := range counts {
			got[hash+":"+name] = fmt.Sprint(n)
		}
	}
	return got
}

// cached returns what the gem's cache holds in the same form. What it keeps of
// a control in memory, nil, is nothing.
func cached(cache map[string]any) map[string]string {
	want := map[string]string{}
	for key, value := range cache {
		switch v := value.(type) {
		case string:
			want[key] = v
		case map[string]any:
			if sym, ok := v["sym"]; ok {
				want[key] = sym.(string)
				continue
			}
			for field, variant := range v {
				want[key+":"+field] = fmt.Sprint(variant)
			}
		}
	}
	return want
}
