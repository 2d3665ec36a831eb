package redisstore_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// The layout is a contract with every process that is running: if this test
// fails, a change of the package comment and of the prefix is due.
func TestLayoutByteByByte(t *testing.T) {
	store, client := startStore(t, quiet())
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	bucket, field := bucketOf(t, client, experiment)
	// sha256sum of shop_pill_color, a zero byte and the key.
	require.Equal(t, "rk:shop_pill_color:15:13e4", bucket)
	require.Equal(t, "de7ee48a8ae96ce1b47caacf83edb734", fmt.Sprintf("%x", field))

	for _, c := range []struct {
		e     core.Entry
		value string
	}{
		{resolved(core.Control), "0"},
		{core.Entry{Variant: core.Control, Origin: core.SourceExcluded}, "4"},
		{resolved(core.Candidate), "8"},
		{resolved("red"), "29296"},
		{core.Entry{Variant: "blue", Origin: core.SourceSegmented}, "30273"},
		{core.Entry{Variant: "blue", Origin: core.SourceManual}, "30274"},
		{core.Entry{Variant: "red", Origin: core.SourceForced}, "29299"},
		{core.Entry{Variant: "red", Previous: core.Control, Origin: core.SourceResolved}, "29301"},
		{core.Entry{Variant: "red"}, "29302"},
		{open("0a1b2c3d"), "!\x0a\x1b\x2c\x3d"},
		{core.Entry{Variant: "red", Previous: "blue", Origin: core.SourceResolved}, `="resolved" "red" "blue" ""`},
		{open("xyz"), `="resolved" "control" "" "xyz"`},
	} {
		t.Run(c.value, func(t *testing.T) {
			require.NoError(t, store.Save(ctx, experiment, key(1), c.e))
			require.Equal(t, c.value, client.HGet(ctx, bucket, field).Val())
		})
	}
	head := client.HGet(ctx, bucket, ".").Val()
	require.Equal(t, "\nred\nblue", head[4:])
	ttl := client.TTL(ctx, bucket).Val()
	require.Greater(t, ttl, 179*24*time.Hour)
	require.LessOrEqual(t, ttl, 180*24*time.Hour)

	n, err := store.Increment(ctx, experiment, "n", 5)
	require.NoError(t, err)
	require.EqualValues(t, 5, n)
	require.Equal(t, "5", client.HGet(ctx, "rk:"+experiment+":n", "n").Val())
	require.Greater(t, client.TTL(ctx, "rk:"+experiment+":n").Val(), 179*24*time.Hour)
}

func TestEveryEntryReadsBackAsItIs(t *testing.T) {
	entries := []core.Entry{
		resolved(core.Control), resolved(core.Candidate), resolved("red"), resolved("a b.c-d_e"), resolved(strings.Repeat("x", 100)),
		open("0a1b2c3d"), open("31323334"), open("xyz"), open("ABCDEF01"),
		{Variant: "red", Origin: core.SourceResolved, Previous: core.Control},
		{Variant: "red", Origin: core.SourceResolved, Previous: "blue"},
		{Variant: "red", Origin: core.SourceManual},
		{Variant: core.Control, Origin: core.SourceForced},
		{Variant: core.Control, Origin: core.SourceExcluded},
		{Variant: "blue", Origin: core.SourceSegmented},
		{Variant: "blue", Origin: "an origin to come"},
		{Variant: "blue"},
		{Variant: "blue", Open: "0a1b2c3d"},
		{Variant: "a\nb\x00c\"\xff", Origin: core.SourceResolved},
		resolved("v12"), resolved("v20"), // their hashes are equal
	}
	for i := range 30 { // more names than one head has room for
		entries = append(entries, resolved(fmt.Sprintf("variant-%d", i)))
	}
	for name, buckets := range map[string]int{"many buckets": 0, "one bucket": 1} {
		t.Run(name, func(t *testing.T) {
			o := quiet()
			o.Buckets = func(string) int { return buckets }
			store, _ := startStore(t, o)
			reads := func(i int, want core.Entry) {
				got, err := load(store, experiment, key(i))
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
			for i, e := range entries {
				reads(i, core.Entry{})
				current, won, err := store.Claim(ctx, experiment, key(i), core.Entry{}, e)
				require.NoError(t, err)
				require.True(t, won)
				require.Equal(t, e, current)
			}
			for i, e := range entries {
				reads(i, e)
				next := entries[(i+1)%len(entries)]
				current, won, err := store.Claim(ctx, experiment, key(i), next, e)
				require.NoError(t, err)
				require.False(t, won)
				require.Equal(t, e, current)
				_, won, err = store.Claim(ctx, experiment, key(i), e, next)
				require.NoError(t, err)
				require.True(t, won)
				reads(i, next)
			}
		})
	}
}

func TestAnEntryWithoutAVariantIsNotStored(t *testing.T) {
	store, client := startStore(t, quiet())
	_, _, err := store.Claim(ctx, experiment, key(1), core.Entry{}, core.Entry{})
	require.Error(t, err)
	require.Error(t, store.Save(ctx, experiment, key(1), core.Entry{Origin: core.SourceManual}))
	require.Zero(t, client.DBSize(ctx).Val())
}

func TestBuckets(t *testing.T) {
	client := newClient(redistest.Start(t).Addr)
	for n, bits := range map[int]int{-1: 15, 0: 15, 1: 0, 2: 1, 3: 2, 1 << 15: 15, 1<<15 + 1: 16, 1 << 30: 24} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			o := quiet()
			o.Prefix = fmt.Sprint("of", n, ":")
			o.Buckets = func(string) int { return n }
			store, err := redisstore.New(client, o)
			require.NoError(t, err)
			defer store.Close()
			for i := range 100 {
				require.NoError(t, store.Save(ctx, "e", key(i), resolved("red")))
			}
			keys := client.Keys(ctx, o.Prefix+"*").Val()
			require.LessOrEqual(t, len(keys), 1<<bits)
			for _, key := range keys {
				index, ok := strings.CutPrefix(key, fmt.Sprintf("%se:%d:", o.Prefix, bits))
				require.True(t, ok, key)
				require.Len(t, index, (bits+3)/4)
			}
		})
	}
}

func TestWhatCannotBeReadIsAnErrorAndStays(t *testing.T) {
	for _, garbage := range []string{"", "x", "junk", "07", "7", "15", "16", "29296x", "99999", "29303", "30272", "!abc", "=red",
		`="resolved" "" "" ""`, `="resolved" "red" ""`, `="resolved" "red" "" "" `, "=`resolved` \"red\" \"\" \"\""} {
		t.Run(garbage, func(t *testing.T) {
			store, client := startStore(t, quiet())
			require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
			bucket, field := bucketOf(t, client, experiment)
			require.NoError(t, client.HSet(ctx, bucket, field, garbage).Err())

			_, err := load(store, experiment, key(1))
			require.ErrorIs(t, err, redisstore.ErrUnreadable)
			for _, old := range []core.Entry{{}, resolved(core.Control)} {
				_, _, err = store.Claim(ctx, experiment, key(1), old, resolved("blue"))
				require.ErrorIs(t, err, redisstore.ErrUnreadable)
			}
			require.Equal(t, garbage, client.HGet(ctx, bucket, field).Val())
			require.EqualValues(t, 3, store.Stats().Unreadable)
			require.Zero(t, store.Stats().OpenCircuits, "bad data is no outage")
		})
	}
}

func TestAKeyOfAnotherTypeIsAnErrorAndStays(t *testing.T) {
	store, client := startStore(t, quiet())
	require.NoError(t, store.Save(ctx, experiment, key(1), resolved("red")))
	bucket, _ := bucketOf(t, client, experiment)
	require.NoError(t, client.Set(ctx, bucket, "text", 0).Err())
	for range 5 {
		_, err := load(store, experiment, key(1))
		require.ErrorIs(t, err, redisstore.ErrUnreadable)
		require.ErrorContains(t, err, experiment)
		require.ErrorContains(t, err, "WRONGTYPE")
		require.NotContains(t, err.Error(), key(1), "keys stay out of logs")
		_, _, err = store.Claim(ctx, experiment, key(1), core.Entry{}, resolved("blue"))
		require.ErrorIs(t, err, redisstore.ErrUnreadable)
		require.ErrorIs(t, store.Save(ctx, experiment, key(1), resolved("blue")), redisstore.ErrUnreadable)
	}
	require.Equal(t, "text", client.Get(ctx, bucket).Val())
	require.EqualValues(t, 15, store.Stats().Unreadable)
	require.Zero(t, store.Stats().OpenCircuits)
}

func TestClearTouchesOneExperiment(t *testing.T) {
	store, client := startStore(t, quiet())
	for i := range 100 {
		require.NoError(t, store.Save(ctx, experiment, key(i), resolved("red")))
	}
	require.NoError(t, store.Save(ctx, experiment+"_2", key(1), resolved("red")))
	_, err := store.Increment(ctx, experiment, "n", 2)
	require.NoError(t, err)
	require.NoError(t, store.Clear(ctx, experiment))
	require.EqualValues(t, 1, client.DBSize(ctx).Val(), "the other experiment's bucket")
}

// memoryEnv says for how many assignments TestMemory measures. Without it that
// is an eighth of a million in an eighth of the buckets, which are then as full
// as those of a million. ROLLOUTKIT_MEMORY=10000000 takes minutes and 3 GB.
const memoryEnv = "ROLLOUTKIT_MEMORY"

// TestMemory fills servers with the assignments of one experiment and compares
// what each takes of used_memory.
func TestMemory(t *testing.T) {
	n, buckets := 125_000, redisstore.DefaultBuckets/8
	if text := os.Getenv(memoryEnv); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
		buckets = redisstore.DefaultBuckets
	}
	variants := []string{core.Control, "red", "blue"}
	final := func(i int) core.Entry { return resolved(variants[i%3]) }
	for name, c := range map[string]struct {
		entry func(i int) core.Entry
		most  float64 // bytes
	}{
		"final entries": {final, 32},
		"half open controls": {func(i int) core.Entry {
			if i%2 == 0 {
				return open(fmt.Sprintf("%08x", i*2654435761&0xffffffff))
			}
			return final(i)
		}, 36},
	} {
		t.Run(name, func(t *testing.T) {
			o := quiet()
			o.CacheSize = -1
			o.Buckets = func(string) int { return buckets }
			store, client := startStore(t, o)
			save := func(experiment string) func(i int) {
				return func(i int) {
					if err := store.Save(ctx, experiment, key(i), c.entry(i)); err != nil {
						t.Error(err)
					}
				}
			}
			callers(256, 1000, save("connects"))
			empty := usedMemory(t, client)
			callers(256, n, save(experiment))
			each := (usedMemory(t, client) - empty) / float64(n)
			t.Logf("%d assignments in %d buckets: %.1f bytes each", n, buckets, each)
			if n/buckets >= 30 {
				require.LessOrEqual(t, each, c.most)
			}
			for range 100 {
				require.NotEqual(t, "hashtable", client.ObjectEncoding(ctx, client.RandomKey(ctx).Val()).Val())
			}
		})
	}
}

func usedMemory(t *testing.T, client *redis.Client) float64 {
	t.Helper()
	bytes, err := strconv.ParseFloat(client.InfoMap(ctx, "memory").Item("Memory", "used_memory"), 64)
	require.NoError(t, err)
	return bytes
}
