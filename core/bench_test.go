package core_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// The ratios that are promised of these stand in testdata/ratios.txt.

const benchName = "shop_pill_color"

func benchUnit(id string) core.Unit { return core.Actor(id) }

func benchExperiment(b *testing.B, store core.Store) *core.Experiment[string, string] {
	client, err := core.New(core.Config{KeySecret: secret, Store: store, NamePrefix: "shop"})
	require.NoError(b, err)
	e, err := core.Define(client, core.Definition[string, string]{Name: "pill_color", Unit: benchUnit,
		Variants: []core.Variant[string, string]{{Name: "red"}, {Name: "blue"}},
		Rollout:  percent.New(percent.Weights{"control": 25, "red": 30, "blue": 45})})
	require.NoError(b, err)
	return e
}

// benchUnits is how many units there are. All benchmarks see the same visits,
// with Zipf's skew: few units come often, many seldom.
const benchUnits = 1_000_000

var benchVisits = sync.OnceValue(func() []string {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, benchUnits-1)
	visits := make([]string, 1<<14)
	for i := range visits {
		visits[i] = benchID(zipf.Uint64())
	}
	return visits
})

func benchID(i uint64) string { return fmt.Sprintf("user:%d", i) }

// BenchmarkHMAC is the yardstick: HMAC-SHA-256 of the same unit in the same
// encoding, with one reused state and no text made of it.
func BenchmarkHMAC(b *testing.B) {
	mac := hmac.New(sha256.New, secret)
	var buf []byte
	var sum [sha256.Size]byte
	all := benchVisits()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		buf = core.AppendUnit(buf[:0], benchName, benchUnit(all[i%len(all)]))
		mac.Reset()
		mac.Write(buf)
		mac.Sum(sum[:0])
	}
}

func BenchmarkKey(b *testing.B) {
	key := core.KeyMaker(secret, benchName)
	all := benchVisits()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_ = key(benchUnit(all[i%len(all)]))
	}
}

func BenchmarkAssign(b *testing.B) {
	e := benchExperiment(b, nil)
	all := benchVisits()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Assign(ctx, all[i%len(all)])
	}
}

// BenchmarkAssignStored hits one of a million entries.
func BenchmarkAssignStored(b *testing.B) {
	e := benchExperiment(b, core.NewMemoryStore(&core.MemoryOptions{MaxEntries: benchUnits}))
	for i := range uint64(benchUnits) {
		e.Assign(ctx, benchID(i))
	}
	all := benchVisits()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Assign(ctx, all[i%len(all)])
	}
}

func BenchmarkRun(b *testing.B) {
	e := benchExperiment(b, nil)
	all := benchVisits()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, _ = e.Run(ctx, all[i%len(all)])
	}
}
