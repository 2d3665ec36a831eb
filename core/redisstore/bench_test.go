//go:build unix

package redisstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

// BenchmarkRatios compares the throughput of a hit, a first assignment and a
// page of ten experiments with that of a bare HGET, on one server and in turns,
// so that whatever else the machine does hits all alike. The figures are
// medians over rounds (-benchtime 20x is twenty of them): hit/hget, first/hget
// and page/hget, and page/hit, which is ten experiments against one. Those with
// cpu- before them compare the processor time of client and server instead of
// the time that passed: that of a machine which does nothing else.
func BenchmarkRatios(b *testing.B) {
	server := redistest.Start(b)
	raw := server.Client()
	client, err := redisstore.NewClient("redis://" + server.Addr + "?pool_size=20&pool_timeout=5s&read_timeout=5s")
	require.NoError(b, err)
	defer client.Close()
	o := quiet()
	o.Buckets = func(string) int { return 2048 } // filled as those of a million units are
	store := redisstore.New(client, o)
	defer store.Close()
	const units, round = 40000, 2000
	for i := range units {
		_, err := store.Claim(ctx, experiment, key(i), core.Entry{}, resolved("red"))
		require.NoError(b, err)
		require.NoError(b, raw.HSet(ctx, "raw", key(i), "red").Err())
	}
	for page := range 10 {
		for i := range 100 {
			require.NoError(b, store.Save(ctx, fmt.Sprintf("page%d", page), key(i), resolved("red")))
		}
	}
	keys := make([]string, units)
	for i := range keys {
		keys[i] = key(i)
	}
	fresh := 0
	ops := []func(i int){
		func(i int) {
			if raw.HGet(ctx, "raw", keys[i%units]).Val() != "red" {
				panic("lost")
			}
		},
		func(i int) {
			if _, _, ok, err := store.Load(ctx, experiment, keys[i%units], nil); !ok {
				panic(err)
			}
		},
		func(i int) {
			k := key(fresh*1e6 + i)
			if _, _, ok, err := store.Load(ctx, experiment, k, nil); ok || err != nil {
				panic(fmt.Sprint(ok, err))
			}
			if _, err := store.Claim(ctx, experiment, k, core.Entry{}, resolved("red")); err != nil {
				panic(err)
			}
		},
		func(i int) {
			var lookups [10]core.Lookup
			for page := range lookups {
				lookups[page] = core.Lookup{Experiment: pages[page], Key: keys[i%100]}
			}
			for _, l := range store.LoadBatch(ctx, lookups[:]) {
				if !l.OK {
					panic(l.Err)
				}
			}
		},
	}
	for _, n := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			var took, spent [4][]float64
			for range b.N {
				fresh++
				for i, op := range ops {
					before := processorTime(b, raw)
					took[i] = append(took[i], float64(callers(n, round, op)))
					spent[i] = append(spent[i], float64(processorTime(b, raw)-before))
				}
			}
			for prefix, of := range map[string][4][]float64{"": took, "cpu-": spent} {
				b.ReportMetric(ratio(of[1], of[0]), prefix+"hit/hget")
				b.ReportMetric(ratio(of[2], of[0]), prefix+"first/hget")
				b.ReportMetric(ratio(of[3], of[0]), prefix+"page/hget")
				b.ReportMetric(ratio(of[3], of[1]), prefix+"page/hit")
			}
			b.ReportMetric(ratio(took[0], slices.Repeat([]float64{round}, len(took[0]))), "ns/hget")
		})
	}
}

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

var pages = [10]string{"page0", "page1", "page2", "page3", "page4", "page5", "page6", "page7", "page8", "page9"}

// ratio returns the median of the ratios within rounds.
func ratio(of, to []float64) float64 {
	ratios := make([]float64, len(of))
	for i := range of {
		ratios[i] = of[i] / to[i]
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}
