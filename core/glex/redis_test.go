package glex

import (
	"slices"
	"strings"
	"testing"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/stretchr/testify/require"
)

type redisCase struct {
	Title string
	Steps []struct {
		Do       string
		Result   any
		Commands [][]string
	}
}

// What the gem was seen to send to Redis.
func TestRedisLayoutIsTheGems(t *testing.T) {
	var golden struct{ Cases []redisCase }
	readGolden(t, "redis.json", &golden)
	commands := func(title string) (all [][]string) {
		i := slices.IndexFunc(golden.Cases, func(c redisCase) bool { return c.Title == title })
		require.GreaterOrEqual(t, i, 0, title)
		for _, step := range golden.Cases[i].Steps {
			all = append(all, step.Commands...)
		}
		return all
	}
	const name = "gitlab_pill_color"
	key := func(attrs ...core.Attr) string {
		k, err := Scheme{}.Key([]byte(goldenSecret), name, attrs)
		require.NoError(t, err)
		require.NoError(t, SharableKey(name, k))
		return k
	}
	five := key(core.String("actor", "user:5"))
	drawn, err := Draw{Version: V07}.Pick(name, five, threeBehaviours)
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"HGET", AssignmentsKey(name), five},
		{"HSET", AssignmentsKey(name), five, drawn},
	}, commands("first assignment, then second read")[:2])

	older, newer := key(core.String("actor", "user:5"), core.Int("version", 1)), key(core.String("actor", "user:5"), core.Int("version", 2))
	require.Equal(t, [][]string{
		{"HGET", AssignmentsKey(name), five},
		{"HGET", AssignmentsKey(name), older},
		{"HSET", AssignmentsKey(name), newer, "blue"},
		{"HDEL", AssignmentsKey(name), older},
	}, commands("migration: value under the migrated_with key")[:4])

	require.Contains(t, commands("round robin"), []string{"HINCRBY", CountersKey(name), RoundRobinCounter, "1"})
	require.Equal(t, [][]string{{"TYPE", AssignmentsKey(name)}, {"DEL", AssignmentsKey(name)}, {"DEL", CountersKey(name)}}, commands("clear")[:3])

	require.Empty(t, commands(`key with a colon (sticky_to: "user:1")`), "the gem raises an error")
	require.ErrorContains(t, SharableKey(name, "user:1"), `can't keep the key "user:1"`)
	require.NoError(t, SharableKey(name, commands("sticky_to without colon: any string is a field")[0][2]))
	require.NoError(t, SharableKey("gitlab_namespaced/stub", strings.Repeat("a", 64)))
	require.Error(t, SharableKey(name, ""))
	require.ErrorContains(t, SharableKey("a:b", "c"), `can't keep the experiment "a:b"`)
	require.Error(t, SharableKey("", "c"))
}
