package redisstore_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

var ctx = context.Background()

const experiment = "shop_pill_color"

// key returns the i-th unit's key: 64 hex digits, as the core makes them.
func key(i int) string { return fmt.Sprintf("%064x", i) }

func resolved(variant string) core.Entry {
	return core.Entry{Variant: variant, Origin: core.SourceResolved, Final: true}
}

func open(under string) core.Entry {
	return core.Entry{Variant: core.Control, Origin: core.SourceResolved, Under: under}
}

// quiet keeps expected warnings out of the test output. The budget is that of
// a machine where many tests share two processors; tests of time set their own.
func quiet() *redisstore.Options {
	return &redisstore.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Budget: 5 * time.Second}
}

// newStore returns a store on a server of its own.
func newStore(t *testing.T, o *redisstore.Options) (*redisstore.Store, *redis.Client) {
	t.Helper()
	client := redistest.Start(t).Client()
	store := redisstore.New(client, o)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store, client
}

// bucketOf returns the Redis key of the one bucket there is, and its field for
// the one assignment in it.
func bucketOf(t *testing.T, client redis.UniversalClient) (bucket, field string) {
	t.Helper()
	keys, err := client.Keys(ctx, "rk:"+experiment+":*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	fields, err := client.HKeys(ctx, keys[0]).Result()
	require.NoError(t, err)
	require.Len(t, fields, 2)
	require.Equal(t, ".", fields[0], "the head comes first, where it is found at once")
	return keys[0], fields[1]
}

func TestEveryEntryReadsBackAsItIs(t *testing.T) {
	store, client := newStore(t, quiet())
	long := strings.Repeat("x", 100)
	entries := []core.Entry{
		resolved(core.Control), resolved(core.Candidate), resolved("red"), resolved("a b.c-d_e"), resolved(long),
		open("0a1b2c3d"), open("31323334"), open(""), open("xyz"), open("ABCDEF01"),
		{Variant: "red", Origin: core.SourceResolved, Previous: core.Control, Final: true},
		{Variant: "red", Origin: core.SourceResolved, Previous: "blue", Final: true},
		{Variant: "red", Origin: core.SourceManual, Final: true},
		{Variant: core.Control, Origin: core.SourceForced, Final: true},
		{Variant: core.Control, Origin: core.SourceExcluded, Final: true},
		{Variant: "blue", Origin: core.SourceSegmented, Final: true},
		{Variant: "blue", Final: true},
		{Variant: "blue", Under: "0a1b2c3d"},
		{Variant: "a\nb\x00c\"\xff", Origin: core.SourceResolved, Final: true},
	}
	for i := range 30 { // more names than one head has room for
		entries = append(entries, resolved(fmt.Sprintf("variant-%d", i)))
	}
	o := quiet()
	o.Buckets = func(string) int { return 1 }
	crowded := redisstore.New(client, o)
	defer crowded.Close()
	for _, s := range []*redisstore.Store{store, crowded} {
		for i, e := range entries {
			stands, err := s.Claim(ctx, experiment, key(i), core.Entry{}, e)
			require.NoError(t, err)
			require.Equal(t, e, stands)
		}
		for i, e := range entries {
			got, others, ok, err := s.Load(ctx, experiment, key(i), nil)
			require.NoError(t, err)
			require.True(t, ok)
			require.Nil(t, others)
			require.Equal(t, e, got)
		}
	}
}

func TestClaimIsCompareAndSet(t *testing.T) {
	store, _ := newStore(t, quiet())
	control, red, blue := open("0a1b2c3d"), resolved("red"), resolved("blue")
	for _, step := range []struct{ old, e, want core.Entry }{
		{core.Entry{}, control, control},
		{core.Entry{}, red, control},
		{open("ffffffff"), red, control},
		{control, red, red},
		{control, blue, red},
		{core.Entry{}, red, red},
		{red, blue, blue},
		{resolved(strings.Repeat("y", 80)), red, blue},
	} {
		got, err := store.Claim(ctx, experiment, key(1), step.old, step.e)
		require.NoError(t, err)
		require.Equal(t, step.want, got)
	}
	got, err := store.Claim(ctx, experiment, key(2), red, blue)
	require.NoError(t, err)
	require.Equal(t, blue, got, "nothing stands: old need not")

	_, err = store.Claim(ctx, experiment, key(3), core.Entry{}, core.Entry{})
	require.Error(t, err)
}

func TestSaveAndDelete(t *testing.T) {
	store, _ := newStore(t, quiet())
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("blue")))
	require.NoError(t, store.Save(ctx, experiment, key(2), resolved("blue")))
	e, _, _, err := store.Load(ctx, experiment, key(1), nil)
	require.NoError(t, err)
	require.Equal(t, "blue", e.Variant)

	require.NoError(t, store.Delete(ctx, experiment, key(1), key(7)))
	_, _, ok, err := store.Load(ctx, experiment, key(1), nil)
	require.NoError(t, err)
	require.False(t, ok)
	_, _, ok, err = store.Load(ctx, experiment, key(2), nil)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, store.Delete(ctx, experiment))
}

func TestOlderKeysAreCopied(t *testing.T) {
	store, _ := newStore(t, quiet())
	require.NoError(t, store.Save(ctx, experiment, key(2), resolved("red")))
	require.NoError(t, store.Save(ctx, experiment, key(3), resolved("blue")))
	require.NoError(t, store.Save(ctx, experiment, key(4), open("0a1b2c3d")))

	older := []string{key(9), key(2), key(3), key(4)}
	e, others, ok, err := store.Load(ctx, experiment, key(1), older)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, resolved("red"), e)
	require.Equal(t, []string{key(3)}, others)
	for _, k := range []string{key(1), key(2)} {
		e, _, _, err := store.Load(ctx, experiment, k, nil)
		require.NoError(t, err)
		require.Equal(t, "red", e.Variant, "copied, not moved")
	}
	e, others, _, err = store.Load(ctx, experiment, key(3), []string{key(1), key(3)})
	require.NoError(t, err)
	require.Equal(t, resolved("blue"), e, "the newest key's entry wins")
	require.Equal(t, []string{key(1)}, others)

	_, others, ok, err = store.Load(ctx, experiment, key(10), []string{key(10), key(11)})
	require.NoError(t, err)
	require.False(t, ok)
	require.Nil(t, others)
}

func TestBatchEqualsSingles(t *testing.T) {
	store, _ := newStore(t, quiet())
	for i := range 8 {
		require.NoError(t, store.Save(ctx, fmt.Sprintf("e%d", i), key(i), resolved("red")))
	}
	var lookups []core.Lookup
	for i := range 12 {
		l := core.Lookup{Experiment: fmt.Sprintf("e%d", i), Key: key(i)}
		if i%3 == 0 {
			l.Key, l.Older = key(100+i), []string{key(i)}
		}
		lookups = append(lookups, l)
	}
	loaded := store.LoadBatch(ctx, lookups)
	require.Len(t, loaded, 12)
	for i, l := range lookups {
		require.NoError(t, loaded[i].Err)
		require.Equal(t, i < 8, loaded[i].OK)
		e, others, ok, err := store.Load(ctx, l.Experiment, l.Key, l.Older)
		require.Equal(t, core.Loaded{Entry: e, Others: others, OK: ok, Err: err}, loaded[i])
	}
	require.Empty(t, store.LoadBatch(ctx, nil))
}

func TestClearTouchesOneExperiment(t *testing.T) {
	store, client := newStore(t, quiet())
	for i := range 100 {
		require.NoError(t, store.Save(ctx, experiment, key(i), resolved("red")))
	}
	require.NoError(t, store.Save(ctx, experiment+"_2", key(1), resolved("red")))
	n, err := store.Increment(ctx, experiment, "n", 2)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	require.NoError(t, store.Clear(ctx, experiment))
	n, err = client.DBSize(ctx).Result()
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "the other experiment's bucket")
	n, err = store.Increment(ctx, experiment, "n", 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

func TestWhatCannotBeReadIsAnErrorAndStays(t *testing.T) {
	for _, garbage := range []string{"", "x", "junk", "07", "7", "16", "29296x", "99999", "29303", "30272", "=red", "=resolved final \"\" \"\" \"\"",
		"=resolved maybe \"red\" \"\" \"\"", "=resolved final \"red\" \"\" \"\"x", "=nobody final \"red\" \"\" \"\""} {
		t.Run(garbage, func(t *testing.T) {
			store, client := newStore(t, quiet())
			require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
			bucket, field := bucketOf(t, client)
			require.NoError(t, client.HSet(ctx, bucket, field, garbage).Err())

			_, _, ok, err := store.Load(ctx, experiment, key(1), nil)
			require.ErrorIs(t, err, redisstore.ErrUnreadable)
			require.False(t, ok)
			_, _, _, err = store.Load(ctx, experiment, key(2), []string{key(1)})
			require.ErrorIs(t, err, redisstore.ErrUnreadable, "under an older key as well")
			_, err = store.Claim(ctx, experiment, key(1), core.Entry{}, resolved("blue"))
			require.ErrorIs(t, err, redisstore.ErrUnreadable)
			require.Equal(t, garbage, client.HGet(ctx, bucket, field).Val())
			require.EqualValues(t, 3, store.Stats().Unreadable)
			require.Zero(t, store.Stats().Open, "bad data is no outage")
		})
	}
}

func TestWrongTypeIsAnErrorAndStays(t *testing.T) {
	store, client := newStore(t, quiet())
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	bucket, _ := bucketOf(t, client)
	require.NoError(t, client.Set(ctx, bucket, "text", 0).Err())
	for range 5 {
		_, _, _, err := store.Load(ctx, experiment, key(1), nil)
		require.ErrorIs(t, err, redisstore.ErrUnreadable)
		_, err = store.Claim(ctx, experiment, key(1), core.Entry{}, resolved("blue"))
		require.ErrorIs(t, err, redisstore.ErrUnreadable)
		require.ErrorIs(t, store.Save(ctx, experiment, key(1), resolved("blue")), redisstore.ErrUnreadable)
	}
	require.Equal(t, "text", client.Get(ctx, bucket).Val())
	require.EqualValues(t, 15, store.Stats().Unreadable)
	require.Zero(t, store.Stats().Open)
}

// The layout is a contract with every process that is running: if this test
// fails, a change of the package comment and of the prefix is due.
func TestLayoutByteByByte(t *testing.T) {
	store, client := newStore(t, quiet())
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	bucket, field := bucketOf(t, client)
	// sha256sum of shop_pill_color, a zero byte and the key.
	require.Equal(t, layoutBucket, bucket)
	require.Equal(t, layoutField, fmt.Sprintf("%x", field))
	head := client.HGet(ctx, bucket, ".").Val()
	require.Equal(t, "\nred", head[4:])

	for _, step := range []struct {
		e     core.Entry
		value string
	}{
		{resolved(core.Control), "0"},
		{core.Entry{Variant: core.Control, Origin: core.SourceExcluded, Final: true}, "4"},
		{resolved(core.Candidate), "8"},
		{resolved("red"), "29296"},
		{core.Entry{Variant: "blue", Origin: core.SourceSegmented, Final: true}, "30273"},
		{core.Entry{Variant: "blue", Origin: core.SourceManual, Final: true}, "30274"},
		{core.Entry{Variant: "red", Origin: core.SourceForced, Final: true}, "29299"},
		{core.Entry{Variant: "red", Previous: core.Control, Origin: core.SourceResolved, Final: true}, "29301"},
		{core.Entry{Variant: "red", Final: true}, "29302"},
		{open("0a1b2c3d"), "!\x0a\x1b\x2c\x3d"},
		{core.Entry{Variant: "red", Previous: "blue", Origin: core.SourceResolved, Final: true}, `=resolved final "red" "blue" ""`},
		{open(""), `=resolved open "control" "" ""`},
	} {
		require.NoError(t, store.Save(ctx, experiment, key(1), step.e))
		require.Equal(t, step.value, client.HGet(ctx, bucket, field).Val(), "%+v", step.e)
	}
	require.Equal(t, "\nred\nblue", client.HGet(ctx, bucket, ".").Val()[4:])
	ttl := client.TTL(ctx, bucket).Val()
	require.Greater(t, ttl, 179*24*time.Hour)
	require.LessOrEqual(t, ttl, 180*24*time.Hour)

	_, err := store.Increment(ctx, experiment, "n", 5)
	require.NoError(t, err)
	require.Equal(t, "5", client.HGet(ctx, "rk:"+experiment+":n", "n").Val())
}

const (
	layoutBucket = "rk:shop_pill_color:15:13e4"
	layoutField  = "de7ee48a8ae96ce1b47caacf83edb734"
)
