package redisstore_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
)

func newGLEX(t *testing.T) (*redisstore.Store, *redis.Client) {
	t.Helper()
	o := quiet()
	o.Layout = redisstore.GLEXLayout
	return newStore(t, o)
}

// bare is what reads back where only names are kept.
func bare(variant string) core.Entry { return core.Entry{Variant: variant, Final: true} }

func TestGLEXLayoutIsTheGems(t *testing.T) {
	store, client := newGLEX(t)
	require.True(t, store.VariantOnly())
	name := "gitlab_namespaced/stub"
	stands, err := store.Claim(ctx, name, key(1), core.Entry{}, resolved("red"))
	require.NoError(t, err)
	require.Equal(t, resolved("red"), stands, "its own claim, whole")
	require.NoError(t, store.Save(ctx, name, "ünï 🚀", resolved("rød")))
	require.Equal(t, map[string]string{key(1): "red", "ünï 🚀": "rød"}, client.HGetAll(ctx, name).Val())
	require.EqualValues(t, -1, client.TTL(ctx, name).Val())
	n, err := store.Increment(ctx, name, "last_round_robin_variant", 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.Equal(t, map[string]string{"last_round_robin_variant": "1"}, client.HGetAll(ctx, name+"_attrs").Val())
	require.EqualValues(t, 2, client.DBSize(ctx).Val(), "nothing else")

	e, _, ok, err := store.Load(ctx, name, "ünï 🚀", nil)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, bare("rød"), e)

	require.NoError(t, store.Clear(ctx, name))
	require.Zero(t, client.DBSize(ctx).Val())
}

func TestGLEXClaimComparesNames(t *testing.T) {
	store, _ := newGLEX(t)
	for _, step := range []struct{ old, e, want core.Entry }{
		{core.Entry{}, resolved("red"), resolved("red")},
		{core.Entry{}, resolved("blue"), bare("red")},
		{bare("green"), resolved("blue"), bare("red")},
		{bare("red"), resolved("blue"), resolved("blue")},
	} {
		got, err := store.Claim(ctx, experiment, key(1), step.old, step.e)
		require.NoError(t, err)
		require.Equal(t, step.want, got)
	}
}

func TestGLEXMovesOlderKeys(t *testing.T) {
	store, client := newGLEX(t)
	require.NoError(t, store.Save(ctx, experiment, key(2), resolved("red")))
	require.NoError(t, store.Save(ctx, experiment, key(3), resolved("blue")))
	e, others, ok, err := store.Load(ctx, experiment, key(1), []string{key(9), key(2), key(3)})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, bare("red"), e)
	require.Equal(t, []string{key(3)}, others)
	require.Equal(t, map[string]string{key(1): "red", key(3): "blue"}, client.HGetAll(ctx, experiment).Val())

	// The gem deletes an entry that migrates to its own key.
	e, _, ok, err = store.Load(ctx, experiment, key(1), []string{key(1)})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, bare("red"), e)
	e, _, ok, err = store.Load(ctx, experiment, key(5), []string{key(5), key(1)})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, bare("red"), e)
	require.True(t, client.HExists(ctx, experiment, key(5)).Val())
}

func TestGLEXGarbage(t *testing.T) {
	store, client := newGLEX(t)
	for _, garbage := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 300)} {
		require.NoError(t, client.HSet(ctx, experiment, key(1), garbage).Err())
		_, _, ok, err := store.Load(ctx, experiment, key(1), nil)
		require.ErrorIs(t, err, redisstore.ErrUnreadable)
		require.False(t, ok)
		_, _, _, err = store.Load(ctx, experiment, key(2), []string{key(1)})
		require.ErrorIs(t, err, redisstore.ErrUnreadable)
		_, err = store.Claim(ctx, experiment, key(1), core.Entry{}, resolved("red"))
		require.ErrorIs(t, err, redisstore.ErrUnreadable)
		require.Equal(t, garbage, client.HGet(ctx, experiment, key(1)).Val())
	}
	require.NoError(t, client.Set(ctx, experiment+"_attrs", "text", 0).Err())
	require.ErrorIs(t, store.Clear(ctx, experiment), redisstore.ErrUnreadable, "as the gem refuses")
	_, err := store.Increment(ctx, experiment, "n", 1)
	require.ErrorIs(t, err, redisstore.ErrUnreadable)
	require.EqualValues(t, 2, client.DBSize(ctx).Val())
}
