package redisstore

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
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// memoryEnv says for how many assignments TestMemory measures. Without it that
// is a quarter of a million in a quarter of the buckets, which are then as full
// as those of a million. ROLLOUTKIT_MEMORY=10000000 takes minutes and 3 GB.
const memoryEnv = "ROLLOUTKIT_MEMORY"

// TestMemory fills servers with the assignments of one experiment, in the
// layouts that there are, and compares what each assignment takes of
// used_memory.
func TestMemory(t *testing.T) {
	n, buckets := 250_000, DefaultBuckets/4
	if text := os.Getenv(memoryEnv); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
		buckets = DefaultBuckets
	}
	variants := []string{core.Control, "red", "blue"}
	final := func(i int) core.Entry {
		return core.Entry{Variant: variants[i%3], Origin: core.SourceResolved, Final: true}
	}
	key := func(i int) string { return fmt.Sprintf("%064x", i) }
	s := &Store{opts: (&Options{Buckets: func(string) int { return buckets }}).withDefaults(), now: time.Now}
	entry := func(of func(i int) core.Entry) func(i int) redis.Cmder {
		return func(i int) redis.Cmder {
			return s.write(s.place("shop_pill_color", key(i)), "claim", nil, encode(of(i))).cmd
		}
	}
	used := map[string]float64{}
	for _, layout := range []struct {
		name string
		cmd  func(i int) redis.Cmder
	}{
		{"variants and final controls", entry(final)},
		{"half open controls", entry(func(i int) core.Entry {
			if i%2 == 0 {
				return core.Entry{Variant: core.Control, Origin: core.SourceResolved, Under: fmt.Sprintf("%08x", i*2654435761&0xffffffff)}
			}
			return final(i)
		})},
		{"the gem's hash", func(i int) redis.Cmder {
			return redis.NewIntCmd(background, "hset", "shop_pill_color", key(i), final(i).Variant)
		}},
		{"a text key each, with a TTL", func(i int) redis.Cmder {
			return redis.NewStatusCmd(background, "set", "shop_pill_color:"+key(i), final(i).Variant, "ex", 15552000)
		}},
	} {
		server := redistest.Start(t)
		client := redis.NewClient(&redis.Options{Addr: server.Addr, ReadTimeout: time.Minute})
		require.NoError(t, client.ScriptLoad(t.Context(), writeScript.source).Err())
		memory := func() float64 {
			info, err := client.Info(t.Context(), "memory").Result()
			require.NoError(t, err)
			bytes, err := strconv.ParseFloat(parseInfo(info)["used_memory"], 64)
			require.NoError(t, err)
			return bytes
		}
		empty := memory()
		const batch = 2000
		for first := 0; first < n; first += batch {
			pipe := client.Pipeline()
			for i := first; i < min(first+batch, n); i++ {
				_ = pipe.Process(t.Context(), layout.cmd(i))
			}
			_, err := pipe.Exec(t.Context())
			require.NoError(t, err)
		}
		used[layout.name] = (memory() - empty) / float64(n)
		encodings := ""
		if strings.Contains(layout.name, "control") {
			hashes := 0
			bits := s.opts.bucketBits("shop_pill_color")
			for b := range uint32(100) {
				if client.ObjectEncoding(t.Context(), s.bucketKey("shop_pill_color", bits, b)).Val() == "hashtable" {
					hashes++
				}
			}
			encodings = fmt.Sprintf("; %d of 100 buckets looked at are hash tables", hashes)
			require.Zero(t, hashes)
		}
		t.Logf("%d assignments, %d buckets, %s: %.1f bytes each%s", n, buckets, layout.name, used[layout.name], encodings)
		require.NoError(t, client.Close())
		server.Kill()
	}
	if n/buckets >= 30 {
		require.LessOrEqual(t, used["variants and final controls"], 32.0)
		require.LessOrEqual(t, used["half open controls"], 36.0)
	}
}
