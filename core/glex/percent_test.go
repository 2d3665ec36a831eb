package glex

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var nan = math.NaN()

type percentConfig struct {
	Behaviors      []string
	Distribution   any
	IncludeControl any `json:"include_control"`
	Note           string
}

// draw returns the configuration as a Draw. ok is false for distributions that
// a Draw can't express, all of which the gem refuses or fails on.
func (c *percentConfig) draw(t *testing.T) (d Draw, ok bool) {
	t.Helper()
	d.Version = V07
	switch v := c.IncludeControl.(type) {
	case bool:
		d.IncludeControl = v
	case string: // not declared: the gem's default rollout, which includes it
		d.IncludeControl = true
	}
	number := func(v any) (float64, bool) {
		n, ok := v.(json.Number)
		if !ok {
			return 0, false
		}
		f, err := n.Float64()
		require.NoError(t, err)
		return f, true
	}
	switch v := c.Distribution.(type) {
	case []any:
		d.Array = []float64{}
		for _, p := range v {
			f, ok := number(p)
			if !ok {
				return d, false
			}
			d.Array = append(d.Array, f)
		}
	case map[string]any:
		pairs, isHash := v["hash"].([]any)
		if !isHash {
			return d, false
		}
		d.Hash = []Share{}
		for _, p := range pairs {
			pair := p.([]any)
			name, ok := pair[0].(string)
			if !ok {
				name = pair[0].(map[string]any)["string"].(string)
			}
			f, _ := number(pair[1])
			d.Hash = append(d.Hash, Share{name, f})
		}
	}
	return d, true
}

func TestDrawsAreTheGems(t *testing.T) {
	var golden struct {
		CRC     [][]any `json:"crc_samples_id_crc_mod100"`
		Configs []percentConfig
		Vectors [][]any
	}
	readGolden(t, "percent_public.json", &golden)
	for _, s := range golden.CRC {
		id := s[0].(string)
		experiment, key, found := cut(id)
		if found {
			require.Equal(t, fmt.Sprint(s[1]), fmt.Sprint(Checksum(experiment, key)), id)
		}
	}

	inexpressible := map[int64]bool{}
	for _, v := range golden.Vectors {
		n, err := v[0].(json.Number).Int64()
		require.NoError(t, err)
		config := golden.Configs[n]
		draw, ok := config.draw(t)
		if !ok {
			require.Len(t, v, 4, "only what the gem fails on can't be expressed")
			inexpressible[n] = true
			continue
		}
		experiment, key, found := cut(v[1].(string))
		require.True(t, found)
		got, err := draw.Pick(experiment, key, config.Behaviors)
		rollout := Percent(draw)
		d, rolloutErr := rollout.Resolve(context.Background(), core.Request{Experiment: experiment, Current: key, Variants: config.Behaviors})
		if v[2] == nil {
			require.Error(t, err, "%v of %+v", v, config)
			require.Error(t, rolloutErr, "%v of %+v", v, config)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, v[2], got, "%v of %+v", v, config)
		require.NoError(t, rolloutErr)
		if d.State == core.Off {
			require.Equal(t, core.Control, got)
		} else {
			require.Equal(t, v[2], d.Variant, "%v of %+v", v, config)
		}
	}
	for n := range inexpressible {
		t.Logf("config %d can't be expressed, and the gem raises an error: distribution %v", n, golden.Configs[n].Distribution)
	}
	require.Len(t, inexpressible, 4)
}

// cut splits an id of the gem at the colon before the key.
func cut(id string) (experiment, key string, found bool) {
	for i := range len(id) {
		if id[i] == ':' {
			return id[:i], id[i+1:], true
		}
	}
	return "", "", false
}

var threeBehaviours = []string{"control", "red", "blue"}

func TestStateFollowsWhatTheDrawCanGive(t *testing.T) {
	for _, c := range []struct {
		name     string
		draw     Draw
		variants []string
		want     core.State
	}{
		{"even among two variants", Draw{Version: V07}, threeBehaviours, core.Conditional},
		{"one variant and no control", Draw{Version: V07}, []string{"control", "candidate"}, core.On},
		{"one variant and control", Draw{Version: V07, IncludeControl: true}, []string{"control", "candidate"}, core.Conditional},
		{"no variants", Draw{Version: V07}, []string{"control"}, core.Off},
		{"control at 100", Draw{Version: V07, IncludeControl: true, Array: []float64{100, 0, 0}}, threeBehaviours, core.Off},
		{"control at 100 and running", Draw{Version: V07, IncludeControl: true, Array: []float64{100, 0, 0}, Running: true}, threeBehaviours, core.Conditional},
		{"red at 100", Draw{Version: V07, Array: []float64{100, 0}}, threeBehaviours, core.On},
		{"the first entry at 0 still gets a hundredth", Draw{Version: V07, IncludeControl: true, Array: []float64{0, 100, 0}}, threeBehaviours, core.Conditional},
		{"the last entry at 1 gets nobody", Draw{Version: V07, IncludeControl: true, Array: []float64{99, 1, 0}}, []string{"control", "red", "blue"}, core.Off},
		{"some units fall off the end", Draw{Version: V07, Array: []float64{50, 0}}, threeBehaviours, core.Conditional},
		{"red at 100 in a Hash", Draw{Version: V09, Hash: []Share{{"red", 100}, {"control", 0}, {"blue", 0}}}, threeBehaviours, core.On},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, p := c.want, Percent(c.draw)
			require.Equal(t, want, p.state(c.variants))
			for i := range 2000 {
				key := fmt.Sprint(i)
				d, err := p.Resolve(context.Background(), core.Request{Experiment: "e", Current: key, Key: "older", Variants: c.variants})
				picked, pickErr := c.draw.Pick("e", key, c.variants)
				require.Equal(t, pickErr == nil, err == nil)
				if err != nil {
					continue
				}
				require.Equal(t, want, d.State)
				if want != core.Off {
					require.Equal(t, picked, d.Variant)
				}
				if want == core.On {
					require.NotEqual(t, core.Control, d.Variant)
				}
			}
		})
	}
}

// The cached walk of a PercentRollout and the plain one of a Draw agree.
func TestPercentAgreesWithDraw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Draw{
			Version:        rapid.SampledFrom([]Version{V07, V08, V09}).Draw(t, "version"),
			IncludeControl: rapid.Bool().Draw(t, "include_control"),
			Running:        rapid.Bool().Draw(t, "running"),
		}
		if rapid.Bool().Draw(t, "ordered") {
			d.Order = rapid.Permutation(threeBehaviours).Draw(t, "order")
		}
		switch rapid.IntRange(0, 2).Draw(t, "distribution") {
		case 1:
			d.Array = rapid.SliceOfN(rapid.Float64Range(-5, 80), 0, 4).Draw(t, "array")
		case 2:
			names := rapid.Permutation(threeBehaviours).Draw(t, "names")
			for _, name := range names[:d.count(threeBehaviours)] {
				d.Hash = append(d.Hash, Share{name, rapid.Float64Range(0, 80).Draw(t, "percent")})
			}
		}
		key := rapid.String().Draw(t, "key")
		want, wantErr := d.Pick("e", key, threeBehaviours)
		got, err := Percent(d).Resolve(context.Background(), core.Request{Experiment: "e", Current: key, Variants: threeBehaviours})
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("Pick: %v, Resolve: %v", wantErr, err)
		}
		if err == nil && got.State != core.Off && got.Variant != want {
			t.Fatalf("Pick: %s, Resolve: %s", want, got.Variant)
		}
	})
}

func TestDefineRefusesWhatDoesNotFit(t *testing.T) {
	for name, d := range map[string]Draw{
		"2 percentages, and the draw is among 3":          {Version: V07, IncludeControl: true, Array: []float64{50, 50}},
		"Array and Hash are both set":                     {Version: V07, Array: []float64{50, 50}, Hash: []Share{{"red", 50}, {"blue", 50}}},
		`names "purple"`:                                  {Version: V07, Hash: []Share{{"red", 50}, {"purple", 50}}},
		`names "red" twice`:                               {Version: V07, Hash: []Share{{"red", 50}, {"red", 50}}},
		"sum to 99, not to 100":                           {Version: V09, Array: []float64{33, 33, 33}},
		"has to name each of":                             {Version: V07, Order: []string{"red", "blue"}},
		"Draw.Version is missing":                         {Array: []float64{50, 50}},
		"NaN is no percentage":                            {Version: V07, Array: []float64{nan, 50}},
		"Version(9) of the gem is unknown":                {Version: 9},
		`experiment shop_pill_color: the distribution na`: {Version: V07, Hash: []Share{{"red", 50}, {"purple", 50}}},
	} {
		err := Percent(d).Validate("shop_pill_color", threeBehaviours)
		require.ErrorContains(t, err, name)
	}
	// What 0.7 takes, sums included.
	require.NoError(t, Percent(Draw{Version: V07, IncludeControl: true, Array: []float64{60, 60, 60}}).Validate("e", threeBehaviours))
	// Ruby's sum compensates.
	require.NoError(t, Percent(Draw{Version: V09, Array: []float64{33.3, 33.3, 33.4}}).Validate("e", threeBehaviours))
	require.NoError(t, Percent(Draw{Version: V09, Array: []float64{0.1, 0.2, 99.7}}).Validate("e", threeBehaviours))
}

func TestPercentDoesNotAllocate(t *testing.T) {
	p := Percent(Draw{Version: V07, IncludeControl: true, Array: []float64{25, 30, 45}})
	r := core.Request{Experiment: "gitlab_pill_color", Current: "10e93bab806ad30cc479b424fbb283c3ac27140fbf119ea4e0f47bb5990ce43a", Variants: threeBehaviours}
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = p.Resolve(context.Background(), r) }))
}

// A draw's description tells draws apart, which core.Inline relies on.
func TestDescriptionsDiffer(t *testing.T) {
	draws := []Draw{{Version: V07}, {Version: V08}, {Version: V07, IncludeControl: true}, {Version: V07, Array: []float64{1, 2}},
		{Version: V07, Hash: []Share{{"a", 1}, {"b", 2}}}, {Version: V07, Hash: []Share{{"b", 2}, {"a", 1}}},
		{Version: V07, Order: threeBehaviours}, {Version: V07, Running: true}}
	var seen []string
	for _, d := range draws {
		s := Percent(d).Describe().Detail
		require.False(t, slices.Contains(seen, s), s)
		seen = append(seen, s)
	}
}
