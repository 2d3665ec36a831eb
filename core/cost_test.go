package core_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// TestAllocations pins what a call costs: the key for Assign, the event's ID
// for Run, and the ctx of a behaviour that is a function.
func TestAllocations(t *testing.T) {
	if core.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	two := func(id string) core.Unit { return core.NewUnit(core.String("actor", id), core.Int("project", 7)) }
	fn := func(context.Context, string) (string, error) { return "", nil }
	for _, c := range []struct {
		name          string
		unit          func(string) core.Unit
		store         core.Store
		run           func(context.Context, string) (string, error)
		assign, serve float64
	}{
		{"value", core.Actor[string], nil, nil, 1, 2},
		{"value, stored", core.Actor[string], memstore.New(nil), nil, 1, 2},
		{"function", core.Actor[string], nil, fn, 1, 3},
		{"function, stored", core.Actor[string], memstore.New(nil), fn, 1, 3},
		{"value, two attributes", two, nil, nil, 1, 2},
		{"function, stored, two attributes", two, memstore.New(nil), fn, 1, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := core.New(core.Config{KeySecret: secret, Store: c.store,
				Tracker: core.TrackerFunc(func(context.Context, core.Event) error { return nil })})
			require.NoError(t, err)
			v := core.Variant[string, string]{Run: c.run}
			e := core.MustDefine(client, core.Definition[string, string]{Name: "allocations", Unit: c.unit, Control: v,
				Variants: []core.Variant[string, string]{{Name: "red", Run: c.run}, {Name: "blue", Run: c.run}}})
			require.Equal(t, c.assign, testing.AllocsPerRun(200, func() { e.Assign(ctx, "user:1") }))
			require.Equal(t, c.serve, testing.AllocsPerRun(200, func() { _, _ = e.Run(ctx, "user:1") }))
		})
	}
}

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
	e := benchExperiment(b, memstore.New(&memstore.Options{MaxEntries: benchUnits}))
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
