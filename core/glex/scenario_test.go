package glex_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
)

// The scenarios were recorded from the gem 0.7.1; the file says how. Each is
// repeated on the core, set up as MIGRATING.md has it.

// scenarioDiffers are the scenarios that come out otherwise, each with the row of
// the table in MIGRATING.md that says why.
var scenarioDiffers = map[string]string{
	"S023": "manual while off",
	"S031": "manual and excluded", "S032": "manual and excluded",
	"S066": "`assigned(:red)` after the run",
	"S067": "unknown variant, manual or stored", "S072": "unknown variant, manual or stored", "S119": "unknown variant, manual or stored",
	"S081": "`tracking_context`",
	"S102": "assignment event",
	"S103": "nested inside an excluded unit's behaviour",
	"S106": "nested in itself",
	"S111": "random, round robin without a cache", "S142": "random, round robin without a cache",
	"S137": "shares do not fit, an unknown name in them",
	"S143": "round robin in the memory store",
	"S164": "excluded with an older key",
}

// scenarioUntold are those that can't be said to the core, and are not played.
var scenarioUntold = map[string]string{
	"S042": "rules that read `assigned`", "S054": "rules that read `assigned`",
	"S095": "`before_run` that aborts", "S097": "`before_run` that aborts",
	"S108": "an experiment without a class", "S128": "an experiment without a class",
	"S116": "a class without control", "S117": "a class without control",
	"S121": "a behaviour without a block", "S122": "a behaviour without a block", "S123": "a behaviour without a block",
	"S125": "an experiment without a name",
	"S147": "DNT", "S149": "DNT", "S150": "DNT", "S151": "DNT", "S154": "DNT", "S155": "DNT", "S156": "DNT", "S158": "DNT",
	"S175": "redirect links", "S176": "redirect links",
}

type scenario struct {
	ID, Title string
	Config    map[string]any
	Classes   []scenarioClass
	Prior     [][]any `json:"prior_cache"` // class, context, variant
	Calls     [][]any // verb, target, arguments
	Keys      map[string]string
	Observed  struct {
		Results []struct {
			R     any
			Error []string
		}
		Tracked [][]any        // experiment, action, fields, variant, key
		Cache   map[string]any `json:"cache_after"`
		Final   map[string]struct{ Assigned string }
	}
}

func TestScenarios(t *testing.T) {
	var golden struct{ Scenarios []scenario }
	readRecorded(t, "scenarios_public.json", &golden)
	require.NotEmpty(t, golden.Scenarios)
	for _, s := range golden.Scenarios {
		t.Run(s.ID, func(t *testing.T) {
			if row := scenarioUntold[s.ID]; row != "" {
				t.Logf("%q is not played: %s", s.Title, row)
				return
			}
			difference := play(t, &s)
			if row := scenarioDiffers[s.ID]; row != "" {
				require.NotEmpty(t, difference, "%q comes out the same; it is no exception", s.Title)
				t.Logf("%q differs on purpose: %s (%s)", s.Title, row, difference)
				return
			}
			require.Empty(t, difference, s.Title)
		})
	}
	page, err := os.ReadFile("MIGRATING.md")
	require.NoError(t, err)
	for _, list := range []map[string]string{scenarioDiffers, scenarioUntold} {
		for id, row := range list {
			require.True(t, slices.ContainsFunc(golden.Scenarios, func(s scenario) bool { return s.ID == id }), "there is no scenario %s", id)
			require.Contains(t, string(page), "\n| "+row, id)
		}
	}
}

// play returns how the core differs, empty if it does not.
func play(t *testing.T, s *scenario) (difference string) {
	g := newStage(t, s)
	for i, call := range s.Calls {
		want := s.Observed.Results[i]
		got, err := g.call(call)
		switch {
		case err != nil:
			return fmt.Sprintf("%v: refused: %v", call, err)
		case want.Error != nil:
			return fmt.Sprintf("%v: the gem raises %s", call, want.Error[0])
		case got != notCompared && !reflect.DeepEqual(want.R, got):
			return fmt.Sprintf("%v: the gem returns %v, the core %v", call, want.R, got)
		}
	}

	var gems [][]any
	for _, e := range s.Observed.Tracked {
		gems = append(gems, []any{e[0], unsymbol(e[1]), e[3], e[4], textOfFields(e[2])})
	}
	if fmt.Sprint(g.tracked) != fmt.Sprint(gems) {
		return fmt.Sprintf("the gem tracks %v, the core %v", gems, g.tracked)
	}
	if g.store != nil {
		if current, gem := g.stored(), cached(s.Observed.Cache); !reflect.DeepEqual(current, gem) {
			return fmt.Sprintf("the gem stores %v, the core %v", gem, current)
		}
	}
	for name, f := range s.Observed.Final {
		if v := g.trials[name].Assign(context.Background()).Variant; v != f.Assigned {
			return fmt.Sprintf("%s: the gem has assigned %s, the core %s", name, f.Assigned, v)
		}
	}
	return ""
}

// notCompared is the result of calls whose result is not compared.
var notCompared = any("not compared")

// call repeats one call and returns its result.
func (g *stage) call(call []any) (any, error) {
	ctx, argument := context.Background(), func(i int) string { return call[i].(string) }
	var trial *core.Trial[glex.Context, any]
	if len(call) > 1 {
		target, _ := call[1].(string)
		trial = g.trials[target]
	}
	switch verb := argument(0); verb {
	case "new":
		options := call[3].(map[string]any)
		e, err := g.experiment(argument(2), options["name"])
		if err != nil {
			return nil, err
		}
		trial := e.For(g.context(options["context"]))
		if v, ok := options["variant"].(string); ok {
			trial.AssignTo(v).Assign(ctx)
		}
		g.trials[argument(1)] = trial
	case "experiment":
		return g.inline(argument(1), argument(2), call[3].(map[string]any))
	case "set_flag":
		g.flags[argument(1)] = call[2]
	case "build_class":
		raw, err := json.Marshal(call[1])
		require.NoError(g.t, err)
		var c scenarioClass
		require.NoError(g.t, json.Unmarshal(raw, &c))
		g.addClass(c)
		clear(g.experiments)
	case "clear":
		for _, e := range g.experiments {
			require.NoError(g.t, e.Clear(ctx))
		}
	case "attr_inc":
		_, err := g.store.Increment(ctx, trial.Assign(ctx).Experiment, argument(2), 1)
		require.NoError(g.t, err)
	case "exclude!":
		trial.Exclude()
	case "publish":
		trial.Publish(ctx)
	case "run", "run_string":
		if len(call) > 2 && call[2] != "" {
			trial.AssignTo(argument(2))
		}
		return trial.Run(ctx)
	case "assigned", "assign", "assign_string":
		if len(call) > 2 && call[2] != "" {
			trial.AssignTo(argument(2))
		}
		variant, group := trial.Assign(ctx).Variant, "experiment"
		if variant == core.Control {
			group = "control"
		}
		return map[string]any{"variant": variant, "group": group}, nil
	case "excluded?":
		return trial.Assign(ctx).Excluded, nil
	case "signature":
		s := trial.Signature(ctx)
		return map[string]any{"variant": s.Variant, "experiment": s.Experiment, "key": g.nameOfKey(s.Key)}, nil
	case "id":
		a := trial.Assign(ctx)
		return a.Experiment + ":" + g.nameOfKey(a.Key), nil
	case "track":
		ev := core.Event{Action: argument(2), Fields: map[string]any{}}
		if len(call) > 3 {
			for k, v := range call[3].(map[string]any) {
				if v != nil {
					ev.Fields[k] = v
				}
			}
		}
		return nil, trial.Track(ctx, ev)
	default:
		g.t.Fatalf("there is no call %q", verb)
	}
	return notCompared, nil
}

// nameOfKey returns what the scenario calls a key.
func (g *stage) nameOfKey(key string) string {
	for name, k := range g.s.Keys {
		if k == key {
			return name
		}
	}
	return key
}

func textOfFields(f any) string {
	if m, ok := f.(map[string]any); ok && len(m) > 0 {
		raw, _ := json.Marshal(m)
		return string(raw)
	}
	return ""
}

// stored returns what the store holds, as "hash:field" = value.
func (g *stage) stored() map[string]string {
	got := map[string]string{}
	for hash, fields := range g.store.hashes {
		for field, value := range fields {
			got[hash+":"+g.nameOfKey(field)] = value
		}
	}
	return got
}

// cached returns what the gem's cache holds in the same form. What it keeps of
// a control in memory, nil, is nothing.
func cached(cache map[string]any) map[string]string {
	want := map[string]string{}
	for key, value := range cache {
		switch v := unsymbol(value).(type) {
		case string:
			want[key] = v
		case map[string]any:
			for field, variant := range v {
				want[key+":"+field] = fmt.Sprint(variant)
			}
		}
	}
	return want
}

// unsymbol returns the text of a Symbol, and all else as it is.
func unsymbol(value any) any {
	if m, ok := value.(map[string]any); ok && m["sym"] != nil {
		return m["sym"]
	}
	return value
}
