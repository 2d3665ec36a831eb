package glex_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/redistest"
	"github.com/rolloutkit/rolloutkit/providers/percent"
	"github.com/stretchr/testify/require"
)

// A shared is one Redis with two applications on it: the gem, and the core.
type shared struct {
	*gem
	t     *testing.T
	rdb   redis.UniversalClient
	store *redisstore.Store
}

// patient is the budget of a store on a machine that runs other tests too.
const patient = 5 * time.Second

func share(t *testing.T) *shared {
	g := startGem(t)
	server := redistest.Start(t)
	rdb := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{server.Addr}})
	t.Cleanup(func() { require.NoError(t, rdb.Close()) })
	store := redisstore.New(rdb, &redisstore.Options{Layout: redisstore.GLEXLayout, Budget: patient})
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	g.ask([]question{{"ask": "redis", "url": "redis://" + server.Addr}}, func(_ int, a answer) { require.Empty(t, a.Error) })
	return &shared{gem: g, t: t, rdb: rdb, store: store}
}

// ruby runs the experiment for each context and returns the variants. more adds
// to every question.
func (s *shared) ruby(more question, contexts []question) []string {
	s.t.Helper()
	questions := make([]question, len(contexts))
	for i, c := range contexts {
		questions[i] = question{"ask": "run", "name": "pill_color", "prefix": hexOf("gitlab"), "secret": hexOf(goldenSecret)}
		for _, q := range []question{more, c} {
			for k, v := range q {
				questions[i][k] = v
			}
		}
	}
	variants := make([]string, len(contexts))
	s.ask(questions, func(i int, a answer) {
		require.Empty(s.t, a.Error)
		variants[i] = a.Variant
	})
	return variants
}

// golang does the same in Go.
func (s *shared) golang(rollout core.Rollout, contexts []glex.Context) []string {
	s.t.Helper()
	return s.assign(s.store, rollout, false, contexts)
}

func (s *shared) assign(store core.Store, rollout core.Rollout, stickyControl bool, contexts []glex.Context) []string {
	s.t.Helper()
	client, err := core.New(core.Config{KeyScheme: glex.Scheme{}, KeySecret: []byte(goldenSecret), InsecureNoSecret: true,
		NamePrefix: "gitlab", Store: store})
	require.NoError(s.t, err)
	e, err := core.Define(client, core.Definition[glex.Context, string]{
		Name: "pill_color", Unit: glex.Context.Unit, Rollout: rollout, StickyPolicy: core.ExclusionFirst, StickyControl: stickyControl,
		Control:  core.Variant[glex.Context, string]{Value: "control"},
		Variants: []core.Variant[glex.Context, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
	})
	require.NoError(s.t, err)
	variants := make([]string, len(contexts))
	for i, c := range contexts {
		a := e.Assign(context.Background(), c)
		require.NoError(s.t, a.Err)
		require.False(s.t, a.Degraded)
		variants[i] = a.Variant
	}
	return variants
}

// stored returns the experiment's hash.
func (s *shared) stored() map[string]string {
	s.t.Helper()
	hash, err := s.rdb.HGetAll(context.Background(), glex.AssignmentsKey("gitlab_pill_color")).Result()
	require.NoError(s.t, err)
	return hash
}

func (s *shared) clear() {
	s.t.Helper()
	require.NoError(s.t, s.store.Clear(context.Background(), "gitlab_pill_color"))
	require.Empty(s.t, s.stored())
}

// users returns the contexts of n users, for Ruby and for Go.
func users(n int) (ruby []question, golang []glex.Context) {
	for i := range n {
		ruby = append(ruby, question{"context": []any{
			[]any{hexOf("actor"), []any{"Record", "User", fmt.Sprint(i)}}, []any{hexOf("version"), []any{"Integer", "2"}}}})
		golang = append(golang, glex.Context{Attrs: []core.Attr{
			glex.GlobalID("actor", "shop", "User", fmt.Sprint(i)), core.Int("version", 2)}})
	}
	return ruby, golang
}

var everyDraw = []struct {
	ruby question
	draw glex.Draw
}{
	{question{}, glex.Draw{Version: glex.V07}},
	{question{"include_control": true}, glex.Draw{Version: glex.V07, IncludeControl: true}},
	{question{"include_control": true, "distribution": []int{50, 20, 30}}, glex.Draw{Version: glex.V07, IncludeControl: true, Array: []float64{50, 20, 30}}},
}

func TestSharedRedis(t *testing.T) {
	s := share(t)
	ruby, golang := users(200)
	drawAtRandom := percent.Random(percent.Weights{"red": 50, "blue": 50})

	t.Run("draws alike and stores alike", func(t *testing.T) {
		for _, d := range everyDraw {
			s.clear()
			first := s.ruby(d.ruby, ruby)
			byRuby := s.stored()
			s.clear()
			require.Equal(t, first, s.golang(glex.Percent(d.draw), golang))
			require.Equal(t, byRuby, s.stored(), "the same fields and values, and no control")
			require.Equal(t, first, s.ruby(d.ruby, ruby))
			require.Equal(t, byRuby, s.stored())
		}
	})

	t.Run("what Go assigns Ruby reads", func(t *testing.T) {
		for _, d := range everyDraw {
			s.clear()
			assigned := s.golang(drawAtRandom, golang)
			require.Equal(t, assigned, s.ruby(d.ruby, ruby), "not what the gem would draw")
		}
	})

	t.Run("what Ruby assigns Go reads", func(t *testing.T) {
		for _, d := range everyDraw {
			s.clear()
			assigned := s.ruby(question{"rollout": "random"}, ruby)
			require.Equal(t, assigned, s.golang(glex.Percent(d.draw), golang), "not what the core would draw")
			s.clear()
			for i := range ruby {
				ruby[i]["assign"] = []string{"control", "red", "blue"}[i%3]
			}
			assigned = s.ruby(d.ruby, ruby)
			require.Equal(t, assigned, s.golang(glex.Percent(d.draw), golang), "manual control included")
			for i := range ruby {
				delete(ruby[i], "assign")
			}
		}
	})

	t.Run("mixed, no user changes variant", func(t *testing.T) {
		for _, d := range everyDraw {
			s.clear()
			seen := map[int]string{}
			see := func(users []int, variants []string) {
				for i, u := range users {
					if seen[u] == "" {
						seen[u] = variants[i]
					}
					require.Equal(t, seen[u], variants[i], "user %d", u)
				}
			}
			src := newSource(t)
			for range 12 {
				some := src.Perm(len(ruby))[:60]
				r, g := make([]question, len(some)), make([]glex.Context, len(some))
				for i, u := range some {
					r[i], g[i] = ruby[u], golang[u]
				}
				if src.IntN(2) == 0 {
					see(some, s.ruby(d.ruby, r))
				} else {
					see(some, s.golang(glex.Percent(d.draw), g))
				}
			}
		}
	})

	t.Run("migrations move on both sides", func(t *testing.T) {
		older := func(i int) (question, glex.Context) {
			r := question{"context": []any{[]any{hexOf("actor"), []any{"Integer", fmt.Sprint(i)}}, []any{hexOf("version"), []any{"Integer", "1"}}}}
			return r, glex.Context{Attrs: []core.Attr{core.Int("actor", i), core.Int("version", 1)}}
		}
		newer := func(i int) (question, glex.Context) {
			r, g := older(i)
			r["context"].([]any)[1] = []any{hexOf("version"), []any{"Integer", "2"}}
			r["migrated_with"] = []any{[]any{hexOf("version"), []any{"Integer", "1"}}}
			g.Attrs[1] = core.Int("version", 2)
			g.MigratedWith = [][]core.Attr{{core.Int("version", 1)}}
			return r, g
		}
		var r1, r2 []question
		var g1, g2 []glex.Context
		for i := range 60 {
			r, g := older(i + 1)
			r1, g1 = append(r1, r), append(g1, g)
			r, g = newer(i + 1)
			r2, g2 = append(r2, r), append(g2, g)
		}
		for _, d := range everyDraw {
			s.clear()
			assigned := s.ruby(question{"rollout": "random"}, r1)
			require.Equal(t, assigned, s.golang(glex.Percent(d.draw), g2))
			require.Len(t, s.stored(), len(r1), "moved, not copied")
			require.Equal(t, assigned, s.ruby(d.ruby, r2))

			s.clear()
			assigned = s.golang(drawAtRandom, g1)
			require.Equal(t, assigned, s.ruby(d.ruby, r2))
			require.Equal(t, assigned, s.golang(glex.Percent(d.draw), g2))
			require.Len(t, s.stored(), len(r1))

			// Nothing stored: both draw by the newer key, the gem's way.
			s.clear()
			drawn := s.ruby(d.ruby, r2)
			s.clear()
			require.Equal(t, drawn, s.golang(glex.Percent(d.draw), g2))
		}
	})

	t.Run("round robin takes turns", func(t *testing.T) {
		s.clear()
		counts := map[string]int{}
		for i := range len(ruby) / 2 {
			for _, v := range slices.Concat(s.ruby(question{"rollout": "round_robin"}, ruby[2*i:2*i+1]),
				s.golang(glex.RoundRobin(s.store, glex.Draw{Version: glex.V07}), golang[2*i+1:2*i+2])) {
				counts[v]++
			}
		}
		require.Equal(t, map[string]int{"red": len(ruby) / 2, "blue": len(ruby) / 2}, counts)
		n, err := s.rdb.HGet(context.Background(), glex.CountersKey("gitlab_pill_color"), glex.RoundRobinCounter).Int()
		require.NoError(t, err)
		require.Equal(t, len(ruby), n)
	})

	t.Run("controls stay too, where Go keeps them", func(t *testing.T) {
		s.clear()
		assigned := s.assign(s.store, glex.Percent(everyDraw[2].draw), true, golang)
		require.Len(t, s.stored(), len(golang))
		require.Equal(t, assigned, s.ruby(question{"distribution": []int{50, 50}}, ruby), "whatever the gem draws now")
	})

	t.Run("cut over to the core's own layout", func(t *testing.T) {
		d := everyDraw[2]
		s.clear()
		assigned := s.ruby(d.ruby, ruby)
		own := redisstore.New(s.rdb, &redisstore.Options{Budget: patient})
		t.Cleanup(func() { require.NoError(t, own.Close()) })
		require.Equal(t, assigned, s.assign(glex.TakeOver(s.store, own), glex.Percent(d.draw), true, golang))
		s.clear()
		require.Equal(t, assigned, s.assign(own, drawAtRandom, true, golang), "controls too, whatever is drawn now")
	})
}
