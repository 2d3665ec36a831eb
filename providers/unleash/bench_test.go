package unleash_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	uc "github.com/Unleash/unleash-client-go/v4"
	ucontext "github.com/Unleash/unleash-client-go/v4/context"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/providers/unleash"
)

// The benchmarks evaluate the same toggle, of three variants, for the same
// units: by the client alone, through a rollout, and through one over a client
// without our storage. The goals are in testdata/ratios.txt.

func BenchmarkClient(b *testing.B)    { benchmarkClient(b) }
func BenchmarkResolve(b *testing.B)   { benchmarkResolve(b, false) }
func BenchmarkUnwrapped(b *testing.B) { benchmarkResolve(b, true) }

// With metrics, as is the client's default.
func BenchmarkClientCounting(b *testing.B)  { benchmarkClient(b, counting, seldom) }
func BenchmarkResolveCounting(b *testing.B) { benchmarkResolve(b, false, counting, seldom) }

func benchmarkClient(b *testing.B, options ...uc.ConfigOption) {
	client := benchmarked(b, options...).client
	benchmark(b, func(key string) bool {
		return client.GetVariant("x", uc.WithVariantContext(ucontext.Context{UserId: key, SessionId: key})).Enabled
	})
}

func benchmarkResolve(b *testing.B, unwrapped bool, options ...uc.ConfigOption) {
	s := benchmarked(b, options...)
	r := s.Rollout
	if unwrapped {
		r = unleash.New(s.client, nil)
	}
	q := core.Request{Experiment: "x", Variants: []string{"control", "red", "green", "blue"}}
	benchmark(b, func(key string) bool {
		q.Key = key
		_, err := r.Resolve(ctx, q)
		return err == nil
	})
}

func benchmarked(b *testing.B, options ...uc.ConfigOption) *system {
	return offline(b, enabled(share100(variants("red=333 blue=333 green=334", "default"))), unleash.Options{}, options...)
}

func benchmark(b *testing.B, run func(key string) bool) {
	keys := make([]string, 1024) // such as the core makes
	for i := range keys {
		keys[i] = fmt.Sprintf("%064x", i*0x9e3779b1)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if !run(keys[i%len(keys)]) {
			b.Fatal("no variant")
		}
	}
}

// No more than one allocation beside the client's own. In fact there are fewer,
// because the client copies a definition that it looks up by itself.
func TestAllocations(t *testing.T) {
	s := offline(t, enabled(share100(variants("red=500 blue=500", "default"))), unleash.Options{})
	bare := testing.AllocsPerRun(200, func() {
		s.client.GetVariant("x", uc.WithVariantContext(ucontext.Context{UserId: "alice", SessionId: "alice"}))
	})
	for name, r := range map[string]core.Rollout{"with our storage": s, "without": unleash.New(s.client, nil)} {
		t.Run(name, func(t *testing.T) {
			q := core.Request{Experiment: "x", Key: "alice", Variants: []string{"control", "red", "blue"}}
			require.LessOrEqual(t, testing.AllocsPerRun(200, func() { _, _ = r.Resolve(ctx, q) }), bare+1)
		})
	}
}
