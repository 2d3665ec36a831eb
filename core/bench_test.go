package core_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
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

// ids are visited in an order that no cache can guess.
func ids(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("user:%d", i)
	}
	return all
}

// BenchmarkHMAC is the yardstick: HMAC-SHA-256 of the same unit in the same
// encoding, with one reused state and no text made of it.
func BenchmarkHMAC(b *testing.B) {
	mac := hmac.New(sha256.New, secret)
	var buf []byte
	var sum [sha256.Size]byte
	all := ids(1024)
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
	all := ids(1024)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_ = key(benchUnit(all[i%len(all)]))
	}
}

func BenchmarkAssign(b *testing.B) {
	e := benchExperiment(b, nil)
	all := ids(1024)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Assign(ctx, all[i%len(all)])
	}
}

// BenchmarkAssignStored hits a million entries with Zipf's skew: few units come
// often, many seldom.
func BenchmarkAssignStored(b *testing.B) {
	const entries = 1_000_000
	e := benchExperiment(b, core.NewMemoryStore(&core.MemoryOptions{MaxEntries: entries + entries/8}))
	all := ids(entries)
	for _, id := range all {
		e.Assign(ctx, id)
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, entries-1)
	visits := make([]string, 1<<16)
	for i := range visits {
		visits[i] = strings.Clone(all[zipf.Uint64()])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Assign(ctx, visits[i%len(visits)])
	}
}

func BenchmarkRun(b *testing.B) {
	e := benchExperiment(b, nil)
	all := ids(1024)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, _ = e.Run(ctx, all[i%len(all)])
	}
}
