package glex_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
)

var pills = []string{"control", "red", "blue"}

// draw returns what the gem draws for the key, or the error where it raises one.
func draw(d glex.Draw, experiment, key string, behaviours []string) (string, error) {
	d.Running = true // else a draw that can give control alone is off
	decision, err := glex.Percent(d).Resolve(context.Background(), core.Request{Experiment: experiment, Current: key, Variants: behaviours})
	return decision.Variant, err
}

type percentConfig struct {
	Behaviors      []string
	Distribution   any // null, a list, a Hash, or what the gem raises an error for
	IncludeControl any `json:"include_control"`
}

// draw returns the configuration as a Draw. ok is false for a distribution that
// a Draw can't express.
func (c *percentConfig) draw(t *testing.T) (d glex.Draw, ok bool) {
	t.Helper()
	_, isDefault := c.IncludeControl.(string) // not declared: the gem's default rollout, which includes it
	d = glex.Draw{Version: glex.V07, IncludeControl: isDefault || c.IncludeControl == true}
	switch v := c.Distribution.(type) {
	case []any:
		d.Array = []float64{}
		for _, p := range v {
			if _, ok := p.(json.Number); !ok {
				return d, false
			}
			d.Array = append(d.Array, floatOf(t, p))
		}
	case map[string]any:
		pairs, isHash := hashOf(v)
		if !isHash {
			return d, false
		}
		d.Hash = []glex.Share{}
		for _, pair := range pairs {
			d.Hash = append(d.Hash, glex.Share{Variant: nameOf(pair), Percent: floatOf(t, pair[1])})
		}
	}
	return d, true
}

func floatOf(t *testing.T, number any) float64 {
	t.Helper()
	f, err := number.(json.Number).Float64()
	require.NoError(t, err)
	return f
}

func TestDrawsAreTheGems(t *testing.T) {
	var golden struct {
		Configs []percentConfig
		Vectors [][]any // index of the config, what is hashed, the variant or null
	}
	readRecorded(t, "percent_public.json", &golden)
	inexpressible := map[int]bool{}
	for _, v := range golden.Vectors {
		n := int(floatOf(t, v[0]))
		config := golden.Configs[n]
		d, ok := config.draw(t)
		if !ok {
			require.Nil(t, v[2], "only what the gem fails at can't be expressed")
			inexpressible[n] = true
			continue
		}
		experiment, key, found := strings.Cut(v[1].(string), ":")
		require.True(t, found)
		got, err := draw(d, experiment, key, config.Behaviors)
		if v[2] == nil {
			require.Error(t, err, "%v of %+v", v, config)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, v[2], got, "%v of %+v", v, config)
	}
	require.Len(t, inexpressible, 4)
}

func TestStateFollowsWhatTheDrawCanGive(t *testing.T) {
	two, one := pills, []string{"control", "candidate"}
	for name, c := range map[string]struct {
		draw     glex.Draw
		variants []string
		want     core.State
	}{
		"even among two variants":        {glex.Draw{Version: glex.V07}, two, core.Conditional},
		"one variant and no control":     {glex.Draw{Version: glex.V07}, one, core.On},
		"one variant and control":        {glex.Draw{Version: glex.V07, IncludeControl: true}, one, core.Conditional},
		"0.8 always has control":         {glex.Draw{Version: glex.V08}, one, core.Conditional},
		"no variants":                    {glex.Draw{Version: glex.V07}, one[:1], core.Off},
		"no behaviours at all":           {glex.Draw{Version: glex.V08, Running: true}, nil, core.Conditional},
		"control at 100":                 {glex.Draw{Version: glex.V07, IncludeControl: true, Array: []float64{100, 0, 0}}, two, core.Off},
		"control at 100 and running":     {glex.Draw{Version: glex.V07, IncludeControl: true, Array: []float64{100, 0, 0}, Running: true}, two, core.Conditional},
		"red at 100":                     {glex.Draw{Version: glex.V07, Array: []float64{100, 0}}, two, core.On},
		"the first at 0 gets somebody":   {glex.Draw{Version: glex.V07, IncludeControl: true, Array: []float64{0, 100, 0}}, two, core.Conditional},
		"the last at 1 gets nobody":      {glex.Draw{Version: glex.V07, IncludeControl: true, Array: []float64{99, 1, 0}}, two, core.Off},
		"some units fall off the end":    {glex.Draw{Version: glex.V07, Array: []float64{50, 0}}, two, core.Conditional},
		"red at 100 in a Hash":           {glex.Draw{Version: glex.V09, Hash: []glex.Share{{"red", 100}, {"control", 0}, {"blue", 0}}}, two, core.On},
		"a Hash names control elsewhere": {glex.Draw{Version: glex.V09, Hash: []glex.Share{{"red", 50}, {"blue", 0}, {"control", 50}}}, two, core.Conditional},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 2000 {
				key := fmt.Sprint(i)
				d, err := glex.Percent(c.draw).Resolve(context.Background(),
					core.Request{Experiment: "e", Current: key, Key: "older", Variants: c.variants})
				drawn, drawErr := draw(c.draw, "e", key, c.variants)
				require.Equal(t, drawErr, err)
				if err != nil {
					continue
				}
				require.Equal(t, c.want, d.State)
				switch c.want {
				case core.Off:
					require.Equal(t, core.Control, drawn, "nobody else can be drawn")
				case core.On:
					require.NotEqual(t, core.Control, d.Variant)
				}
			}
		})
	}
}

func TestOrderIsThatOfTheRubyClass(t *testing.T) {
	d := glex.Draw{Version: glex.V08, Array: []float64{100, 0, 0}, Order: []string{"blue", "control", "red"}}
	got, err := draw(d, "e", "k", pills)
	require.NoError(t, err)
	require.Equal(t, "blue", got)
}

func TestDefineRefusesWhatDoesNotFit(t *testing.T) {
	for why, d := range map[string]glex.Draw{
		"2 percentages, and the draw is among 3":          {Version: glex.V07, IncludeControl: true, Array: []float64{50, 50}},
		"Array and Hash are both set":                     {Version: glex.V07, Array: []float64{50, 50}, Hash: []glex.Share{{"red", 50}, {"blue", 50}}},
		`names "purple"`:                                  {Version: glex.V07, Hash: []glex.Share{{"red", 50}, {"purple", 50}}},
		`names "red" twice`:                               {Version: glex.V07, Hash: []glex.Share{{"red", 50}, {"red", 50}}},
		"sum to 99, not to 100":                           {Version: glex.V09, Array: []float64{33, 33, 33}},
		"has to name each of":                             {Version: glex.V07, Order: []string{"red", "blue"}},
		"Draw.Version is missing":                         {Array: []float64{50, 50}},
		"NaN is no percentage":                            {Version: glex.V07, Array: []float64{math.NaN(), 50}},
		"Version(9) of the gem is unknown":                {Version: 9},
		`experiment shop_pill_color: the distribution na`: {Version: glex.V07, Hash: []glex.Share{{"red", 50}, {"purple", 50}}},
	} {
		t.Run(why, func(t *testing.T) {
			require.ErrorContains(t, glex.Percent(d).Validate("shop_pill_color", pills), why)
		})
	}
	for name, d := range map[string]glex.Draw{
		"0.7 takes any sum":      {Version: glex.V07, IncludeControl: true, Array: []float64{60, 60, 60}},
		"Ruby's sum of thirds":   {Version: glex.V09, Array: []float64{33.3, 33.3, 33.4}},
		"Ruby's sum compensates": {Version: glex.V09, Array: []float64{0.1, 0.2, 99.7}},
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, glex.Percent(d).Validate("e", pills)) })
	}
}

func TestPercentDoesNotAllocate(t *testing.T) {
	p := glex.Percent(glex.Draw{Version: glex.V07, IncludeControl: true, Array: []float64{25, 30, 45}})
	r := core.Request{Experiment: "gitlab_pill_color", Current: strings.Repeat("10e93bab806ad30c", 4), Variants: pills}
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = p.Resolve(context.Background(), r) }))
}

// core.Inline takes draws with one description for one rollout.
func TestDescriptionsTellDrawsApart(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range []glex.Draw{{Version: glex.V07}, {Version: glex.V08}, {Version: glex.V07, IncludeControl: true},
		{Version: glex.V07, Array: []float64{1, 2}}, {Version: glex.V07, Hash: []glex.Share{{"a", 1}, {"b", 2}}},
		{Version: glex.V07, Hash: []glex.Share{{"b", 2}, {"a", 1}}}, {Version: glex.V07, Order: pills}, {Version: glex.V07, Running: true}} {
		line := glex.Percent(d).Describe().Detail
		require.False(t, seen[line], line)
		seen[line] = true
	}
}
