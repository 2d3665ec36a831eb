//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// alone is a client of which the store knows nothing: each operation makes a
// trip of its own.
type alone struct{ redis.UniversalClient }

// autoPiped is such a client whose commands travel with go-redis' AutoPipeline.
type autoPiped struct {
	redis.UniversalClient
	to *redis.AutoPipeliner
}

func (c autoPiped) Process(ctx context.Context, cmd redis.Cmder) error { return c.to.Process(ctx, cmd) }

// BenchmarkRatios compares the throughput of a hit, a first assignment and a
// page of ten experiments with that of a bare HGET, on one server and in turns,
// so that whatever else the machine does hits all alike. The figures are
// medians over rounds (-benchtime 20x is twenty of them): hit/hget, first/hget
// and page/hget. Those with alone- before them are without shared trips, those
// with auto- with the client's AutoPipeline instead. cpu- compares the processor
// time of client and server instead of the time that passed: that of a machine
// which does nothing else.
func BenchmarkRatios(b *testing.B) {
	server := redistest.Start(b)
	raw := server.Client()
	const units, round = 40000, 2000
	keys := make([]string, units)
	for i := range keys {
		keys[i] = key(i)
	}
	ways := []struct {
		prefix string
		wrap   func(*redis.Client) redis.UniversalClient
	}{
		{"shared-", func(c *redis.Client) redis.UniversalClient { return c }},
		{"alone-", func(c *redis.Client) redis.UniversalClient { return alone{c} }},
		{"auto-", func(c *redis.Client) redis.UniversalClient {
			to, err := c.AutoPipeline()
			require.NoError(b, err)
			b.Cleanup(func() { _ = to.Close() })
			return autoPiped{c, to}
		}},
	}
	names := []string{"hget"}
	ops := []func(i int){func(i int) {
		if raw.HGet(ctx, "raw", keys[i%units]).Val() != "red" {
			panic("lost")
		}
	}}
	fresh := 0
	for w, way := range ways {
		client := redis.NewClient(&redis.Options{Addr: server.Addr, ContextTimeoutEnabled: true, PoolSize: 20})
		o := quiet()
		o.Buckets = func(string) int { return 2048 } // filled as those of a million units are
		o.Prefix = way.prefix
		store := newStore(b, way.wrap(client), o)
		names = append(names, way.prefix+"hit", way.prefix+"first", way.prefix+"page")
		ops = append(ops,
			func(i int) {
				if e, err := load(store, experiment, keys[i%units]); e.Variant != "red" {
					panic(err)
				}
			},
			func(i int) {
				k := key(1e9*(w+1) + fresh*1e6 + i)
				if e, err := load(store, experiment, k); e.Variant != "" || err != nil {
					panic(fmt.Sprint(e, err))
				}
				if _, _, err := store.Claim(ctx, experiment, k, core.Entry{}, resolved("red")); err != nil {
					panic(err)
				}
			},
			func(i int) {
				page := make([]core.Lookup, len(pages))
				for p := range page {
					page[p] = core.Lookup{Experiment: pages[p], Key: keys[i%100]}
				}
				if err := store.Load(ctx, page); err != nil || page[9].Entry.Variant != "red" {
					panic(err)
				}
			})
		for i := range units {
			require.NoError(b, store.Save(ctx, experiment, keys[i], resolved("red")))
			require.NoError(b, raw.HSet(ctx, "raw", keys[i], "red").Err())
		}
		for _, page := range pages {
			for i := range 100 {
				require.NoError(b, store.Save(ctx, page, keys[i], resolved("red")))
			}
		}
	}
	for _, n := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			took, spent := make([][]float64, len(ops)), make([][]float64, len(ops))
			for range b.N {
				fresh++
				for i, op := range ops {
					before := processorTime(b, raw)
					took[i] = append(took[i], float64(callers(n, round, op)))
					spent[i] = append(spent[i], float64(processorTime(b, raw)-before))
				}
			}
			for i, name := range names[1:] {
				b.ReportMetric(ratio(took[i+1], took[0]), name+"/hget")
				b.ReportMetric(ratio(spent[i+1], spent[0]), "cpu-"+name+"/hget")
			}
			b.ReportMetric(ratio(took[0], slices.Repeat([]float64{round}, len(took[0]))), "ns/hget")
		})
	}
}

var pages = []string{"page0", "page1", "page2", "page3", "page4", "page5", "page6", "page7", "page8", "page9"}

// processorTime returns what this process and the server have used.
func processorTime(b *testing.B, raw *redis.Client) time.Duration {
	b.Helper()
	var own syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &own))
	all := time.Duration(own.Utime.Nano() + own.Stime.Nano())
	facts := raw.InfoMap(ctx, "cpu")
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		seconds, err := strconv.ParseFloat(facts.Item("CPU", name), 64)
		require.NoError(b, err)
		all += time.Duration(seconds * float64(time.Second))
	}
	return all
}

// ratio returns the median of the ratios within rounds.
func ratio(of, to []float64) float64 {
	ratios := make([]float64, len(of))
	for i := range of {
		ratios[i] = of[i] / to[i]
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}
