package unleash

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"
	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
)

// The benchmarks evaluate the same toggle, of three variants, for the same
// units: by the client alone, through a rollout, and through one over a client
// without our storage. The goals stand in testdata/ratios.txt.

func BenchmarkClient(b *testing.B)    { benchmarkClient(b) }
func BenchmarkResolve(b *testing.B)   { benchmarkResolve(b, false) }
func BenchmarkUnwrapped(b *testing.B) { benchmarkResolve(b, true) }

// With metrics, as is the client's default.
func BenchmarkClientCounting(b *testing.B)  { benchmarkClient(b, counting, seldom) }
func BenchmarkResolveCounting(b *testing.B) { benchmarkResolve(b, false, counting, seldom) }

func benchmarkClient(b *testing.B, options ...uc.ConfigOption) {
	client, keys := benchmarked(b, options...).client, unitKeys()
	for i := 0; b.Loop(); i++ {
		key := keys[i%len(keys)]
		v := client.GetVariant("x", uc.WithVariantContext(ucontext.Context{UserId: key, SessionId: key}))
		if !v.Enabled {
			b.Fatal("no variant")
		}
	}
}

func benchmarkResolve(b *testing.B, unwrapped bool, options ...uc.ConfigOption) {
	r, keys := benchmarked(b, options...), unitKeys()
	if unwrapped {
		r = New(r.client, nil)
	}
	req := core.Request{Experiment: "x", Variants: []string{"control", "red", "green", "blue"}}
	for i := 0; b.Loop(); i++ {
		req.Key = keys[i%len(keys)]
		if _, err := r.Resolve(context.Background(), req); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarked(b *testing.B, options ...uc.ConfigOption) *Rollout {
	b.ReportAllocs()
	return offline(b, "["+enabled(share100(variants("red=333 blue=333 green=334", "default")))+"]", nil, options...)
}

// unitKeys returns keys such as the core makes.
func unitKeys() []string {
	keys := make([]string, 1024)
	for i := range keys {
		sum := sha256.Sum256(fmt.Append(nil, i))
		keys[i] = hex.EncodeToString(sum[:])
	}
	return keys
}

// TestAllocations pins what the benchmarks show: no more than one allocation
// beside the client's own. In fact there are fewer, because the client copies a
// definition that it looks up by itself.
func TestAllocations(t *testing.T) {
	r := offline(t, "["+enabled(share100(variants("red=500 blue=500", "default")))+"]", nil)
	for name, r := range map[string]*Rollout{"with our storage": r, "without": New(r.client, nil)} {
		req := core.Request{Experiment: "x", Key: "alice", Variants: []string{"control", "red", "blue"}}
		ours := testing.AllocsPerRun(200, func() {
			if _, err := r.Resolve(context.Background(), req); err != nil {
				t.Fatal(err)
			}
		})
		bare := testing.AllocsPerRun(200, func() {
			r.client.GetVariant("x", uc.WithVariantContext(ucontext.Context{UserId: "alice", SessionId: "alice"}))
		})
		t.Logf("%s: %v allocations, the client alone %v", name, ours, bare)
		require.LessOrEqual(t, ours, bare+1)
	}
}
