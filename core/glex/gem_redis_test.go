package glex_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

var everyDraw = []struct {
	name string
	ruby question
	draw glex.Draw
}{
	{"among the variants", question{}, glex.Draw{Version: glex.V07}},
	{"with control", question{"include_control": true}, glex.Draw{Version: glex.V07, IncludeControl: true}},
	{"by shares", question{"include_control": true, "distribution": []int{50, 20, 30}},
		glex.Draw{Version: glex.V07, IncludeControl: true, Array: []float64{50, 20, 30}}},
}

// users returns the calls for n users.
func users(n int) []call {
	calls := make([]call, n)
	for i := range calls {
		calls[i] = call{
			question{"context": []any{[]any{hexOf("actor"), []any{"Record", "User", fmt.Sprint(i)}}, pair("version", 2)}},
			glex.Context{Attrs: []core.Attr{glex.GlobalID("actor", "shop", "User", fmt.Sprint(i)), core.Int("version", 2)}},
		}
	}
	return calls
}

// pair is a whole number in a Ruby context.
func pair(name string, n int) any { return []any{hexOf(name), []any{"Integer", fmt.Sprint(n)}} }

func TestGemHashesTheSameValues(t *testing.T) {
	g := startGem(t)
	values := rubyValues(t)
	questions := make([]question, len(values))
	for i, v := range values {
		questions[i] = question{"ask": "key", "name": "pill_color", "context": []any{[]any{hexOf("v"), v.ruby}}}
	}
	for i, a := range g.ask(questions...) {
		require.Empty(t, a.Error, "%v", values[i].ruby)
		key, err := glex.Scheme{}.Key(nil, "pill_color", []core.Attr{values[i].attr})
		require.NoError(t, err)
		require.Equal(t, a.Key, key, "%v", values[i].ruby)
	}
}

// The gem and the core work on one Redis, and nobody notices.
func TestSharedRedis(t *testing.T) {
	s := share(t)
	calls := users(200)
	drawAtRandom := percent.Random(percent.Weights{"red": 50, "blue": 50})

	for _, d := range everyDraw {
		t.Run(d.name, func(t *testing.T) {
			s.clear()
			first := s.ruby(d.ruby, calls)
			byRuby := s.stored()
			s.clear()
			require.Equal(t, first, s.golang(glex.Percent(d.draw), calls), "both draw alike")
			require.Equal(t, byRuby, s.stored(), "the same fields and values, and no control")
			require.Equal(t, first, s.ruby(d.ruby, calls))

			s.clear()
			assigned := s.golang(drawAtRandom, calls)
			require.Equal(t, assigned, s.ruby(d.ruby, calls), "what Go assigns Ruby reads")
			s.clear()
			assigned = s.ruby(question{"rollout": "random"}, calls)
			require.Equal(t, assigned, s.golang(glex.Percent(d.draw), calls), "what Ruby assigns Go reads")

			s.clear()
			manual := slices.Clone(calls)
			for i, c := range calls {
				manual[i].ruby = question{"context": c.ruby["context"], "assign": pills[i%3]}
			}
			assigned = s.ruby(d.ruby, manual)
			require.Equal(t, assigned, s.golang(glex.Percent(d.draw), calls), "manual assignments too, and control")
		})
	}

	t.Run("mixed", func(t *testing.T) {
		d := everyDraw[2]
		s.clear()
		seen := map[int]string{}
		for range 12 {
			some := rand.Perm(len(calls))[:60]
			visits := make([]call, len(some))
			for i, u := range some {
				visits[i] = calls[u]
			}
			variants := s.ruby(d.ruby, visits[:30])
			variants = append(variants, s.golang(glex.Percent(d.draw), visits[30:])...)
			for i, u := range some {
				if seen[u] == "" {
					seen[u] = variants[i]
				}
				require.Equal(t, seen[u], variants[i], "user %d changes variant", u)
			}
		}
	})

	t.Run("migrations", func(t *testing.T) {
		d := everyDraw[2]
		older, newer := make([]call, 60), make([]call, 60)
		for i := range older {
			actor, attr := pair("actor", i+1), core.Int("actor", i+1)
			older[i] = call{question{"context": []any{actor, pair("version", 1)}},
				glex.Context{Attrs: []core.Attr{attr, core.Int("version", 1)}}}
			newer[i] = call{question{"context": []any{actor, pair("version", 2)}, "migrated_with": []any{pair("version", 1)}},
				glex.Context{Attrs: []core.Attr{attr, core.Int("version", 2)}, MigratedWith: [][]core.Attr{{core.Int("version", 1)}}}}
		}
		s.clear()
		assigned := s.ruby(question{"rollout": "random"}, older)
		require.Equal(t, assigned, s.golang(glex.Percent(d.draw), newer))
		require.Len(t, s.stored(), len(older), "moved, not copied")
		require.Equal(t, assigned, s.ruby(d.ruby, newer))

		s.clear()
		assigned = s.golang(drawAtRandom, older)
		require.Equal(t, assigned, s.ruby(d.ruby, newer))
		require.Equal(t, assigned, s.golang(glex.Percent(d.draw), newer))
		require.Len(t, s.stored(), len(older))

		s.clear()
		drawn := s.ruby(d.ruby, newer)
		s.clear()
		require.Equal(t, drawn, s.golang(glex.Percent(d.draw), newer), "nothing is stored: both draw by the newer key")
	})

	t.Run("round robin", func(t *testing.T) {
		s.clear()
		counts := map[string]int{}
		for i := 0; i < len(calls); i += 2 {
			for _, v := range slices.Concat(s.ruby(question{"rollout": "round_robin"}, calls[i:i+1]),
				s.golang(glex.RoundRobin(s.store, glex.Draw{Version: glex.V07}), calls[i+1:i+2])) {
				counts[v]++
			}
		}
		require.Equal(t, map[string]int{"red": len(calls) / 2, "blue": len(calls) / 2}, counts)
	})

	t.Run("controls stay too, where Go keeps them", func(t *testing.T) {
		s.clear()
		assigned := s.assign(glex.Percent(everyDraw[2].draw), true, calls)
		require.Len(t, s.stored(), len(calls))
		require.Equal(t, assigned, s.ruby(question{"distribution": []int{50, 50}}, calls), "whatever the gem draws now")
	})
}
