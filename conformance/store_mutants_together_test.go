package conformance

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

func countMutants() []storeMutant {
	counting := func(f func(b *broken, experiment, name *string, by *int64)) func(*StoreHarness) {
		return breaking(func(_ *testing.T, b *broken) {
			b.increment = func(ctx context.Context, experiment, name string, by int64) (int64, error) {
				f(b, &experiment, &name, &by)
				return b.fullStore.Increment(ctx, experiment, name, by)
			}
		})
	}
	return []storeMutant{
		{law: "count", how: "only counts up", harm: counting(func(_ *broken, _, _ *string, by *int64) { *by = max(*by, 0) })},
		{law: "count", how: "takes 0 for 1", harm: counting(func(_ *broken, _, _ *string, by *int64) {
			if *by == 0 {
				*by = 1
			}
		})},
		{law: "count", how: "counts in 32 bits", harm: counting(func(_ *broken, _, _ *string, by *int64) { *by = int64(int32(*by)) })},
		{law: "count-from-zero", how: "begins at 100", harm: breaking(func(_ *testing.T, b *broken) {
			b.increment = func(ctx context.Context, experiment, name string, by int64) (int64, error) {
				n, err := b.fullStore.Increment(ctx, experiment, name, by)
				return n + 100, err
			}
		})},
		{law: "count-apart", how: "folds the case of names", harm: counting(func(_ *broken, _, name *string, _ *int64) { *name = strings.ToLower(*name) })},
		{law: "count-apart", how: "keeps entries and counts together", harm: breaking(func(_ *testing.T, b *broken) {
			b.delete = func(ctx context.Context, experiment string, keys []string) error {
				for _, key := range keys {
					n, _ := b.fullStore.Increment(ctx, experiment, key, 0)
					_, _ = b.fullStore.Increment(ctx, experiment, key, -n)
				}
				return b.fullStore.Delete(ctx, experiment, keys...)
			}
		})},
		{law: "count-unique", how: "reads and then writes", harm: breaking(func(_ *testing.T, b *broken) {
			b.increment = func(ctx context.Context, experiment, name string, by int64) (int64, error) {
				n, _ := b.fullStore.Increment(ctx, experiment, name, 0)
				runtime.Gosched()
				_, err := b.fullStore.Increment(ctx, experiment, name, by)
				return n + by, err
			}
		})},
	}
}

func togetherMutants() []storeMutant {
	return []storeMutant{
		{law: "calls-apart", how: "shares a scratch between calls", harm: breaking(func(_ *testing.T, b *broken) {
			var mu sync.Mutex
			scratch := ""
			b.save = func(ctx context.Context, experiment, key string, e core.Entry) error {
				mu.Lock()
				scratch = key
				mu.Unlock()
				runtime.Gosched()
				mu.Lock()
				defer mu.Unlock()
				return b.fullStore.Save(ctx, experiment, scratch, e)
			}
		})},
		{law: "claims-agree", how: "moves open controls in two steps", harm: breaking(func(_ *testing.T, b *broken) {
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				if old == (core.Entry{}) || b.peek(ctx, experiment, key) != old {
					return b.fullStore.Claim(ctx, experiment, key, old, e)
				}
				runtime.Gosched()
				return e, b.fullStore.Save(ctx, experiment, key, e)
			}
		})},
		{law: "claims-agree", how: "reads and then writes", also: []string{"migrations-agree"}, harm: breaking(func(_ *testing.T, b *broken) {
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				if stands := b.peek(ctx, experiment, key); stands != (core.Entry{}) && stands != old {
					return stands, nil
				}
				time.Sleep(10 * time.Microsecond)
				return e, b.fullStore.Save(ctx, experiment, key, e)
			}
		})},
		{law: "migrations-agree", how: "copies over what stands", harm: breaking(func(_ *testing.T, b *broken) {
			b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
				if len(older) == 1 && b.peek(ctx, experiment, key) == (core.Entry{}) {
					if e := b.peek(ctx, experiment, older[0]); e == redEntry {
						time.Sleep(10 * time.Microsecond)
						return core.Loaded{Entry: e, OK: true, Err: b.fullStore.Save(ctx, experiment, key, e)}
					}
				}
				return b.inner(ctx, experiment, key, older)
			}
		})},
	}
}

// sharedLock is what several handles of one process can agree by.
var sharedLock sync.Mutex

func sharedMutants() []storeMutant {
	return []storeMutant{
		{law: "handles-agree", how: "clears what this handle wrote", base: refHarness, harm: breaking(func(_ *testing.T, b *broken) {
			var mu sync.Mutex
			own := map[string][]string{}
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				mu.Lock()
				defer mu.Unlock()
				own[experiment] = append(own[experiment], key)
				return b.fullStore.Claim(ctx, experiment, key, old, e)
			}
			b.clear = func(ctx context.Context, experiment string) error {
				if experiment != "conformance_handles_agree" {
					return b.fullStore.Clear(ctx, experiment)
				}
				mu.Lock()
				defer mu.Unlock()
				return b.fullStore.Delete(ctx, experiment, own[experiment]...)
			}
		})},
		{law: "handles-agree", how: "remembers what was absent", base: refHarness, harm: breaking(func(_ *testing.T, b *broken) {
			var mu sync.Mutex
			absent := map[string]bool{}
			b.names = func(experiment, key string) (string, string) { // asked by each write
				mu.Lock()
				defer mu.Unlock()
				delete(absent, experiment+" "+key)
				return experiment, key
			}
			b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
				mu.Lock()
				defer mu.Unlock()
				if absent[experiment+" "+key] && older == nil {
					return core.Loaded{}
				}
				l := b.inner(ctx, experiment, key, older)
				if !l.OK && l.Err == nil {
					absent[experiment+" "+key] = true
				}
				return l
			}
		})},
		{law: "handles-count", how: "counts for itself", base: refHarness, harm: breaking(func(_ *testing.T, b *broken) {
			own := core.NewMemoryStore(nil)
			b.increment = func(ctx context.Context, experiment, name string, by int64) (int64, error) {
				if _, err := b.fullStore.Increment(ctx, experiment, name, by); err != nil {
					return 0, err
				}
				return own.Increment(ctx, experiment, name, by)
			}
			b.clear = func(ctx context.Context, experiment string) error {
				return errors.Join(own.Clear(ctx, experiment), b.fullStore.Clear(ctx, experiment))
			}
		})},
		{law: "processes-agree", how: "locks within a process", base: refHarness, harm: breaking(func(_ *testing.T, b *broken) {
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				if !strings.HasPrefix(e.Variant, "process") {
					return b.fullStore.Claim(ctx, experiment, key, old, e)
				}
				sharedLock.Lock()
				defer sharedLock.Unlock()
				if stands := b.peek(ctx, experiment, key); stands != (core.Entry{}) && stands != old {
					return stands, nil
				}
				time.Sleep(100 * time.Microsecond)
				return e, b.fullStore.Save(ctx, experiment, key, e)
			}
		})},
		{law: "interleaved", how: "moves final entries in two steps", base: aloneHarness, harm: breaking(func(_ *testing.T, b *broken) {
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				if old != blueEntry || b.peek(ctx, experiment, key) != old {
					return b.fullStore.Claim(ctx, experiment, key, old, e)
				}
				b.fullStore.(*refStore).pause()
				return e, b.fullStore.Save(ctx, experiment, key, e)
			}
		})},
		{law: "interleaved", how: "returns what it wanted to copy", base: aloneHarness, harm: breaking(func(_ *testing.T, b *broken) {
			b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
				was := b.peek(ctx, experiment, key)
				l := b.inner(ctx, experiment, key, older)
				if was == (core.Entry{}) && l.Entry.Variant == "foreign" {
					l.Entry = redEntry
				}
				return l
			}
		})},
		{law: "interleaved", how: "has no between", base: aloneHarness, harm: func(h *StoreHarness) {
			h.Between = func(*testing.T, core.Store, func()) func() bool { return func() bool { return false } }
		}},
	}
}

func failureMutants() []storeMutant {
	return []storeMutant{
		{law: "unreadable", how: "takes it for an absence", base: aloneHarness, harm: breaking(func(_ *testing.T, b *broken) {
			b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
				l := b.inner(ctx, experiment, key, older)
				if l.Err != nil && l.Err.Error() == "garbage" && older == nil {
					return core.Loaded{}
				}
				return l
			}
			b.batch = b.fullStore.LoadBatch
		})},
		{law: "unreadable-older", how: "goes on to the next", base: aloneHarness, harm: breaking(func(_ *testing.T, b *broken) {
			b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
				l := b.inner(ctx, experiment, key, older)
				if l.Err == nil || l.Err.Error() != "garbage" || b.inner(ctx, experiment, key, nil).Err != nil {
					return l
				}
				readable := slices.DeleteFunc(slices.Clone(older), func(k string) bool { return b.inner(ctx, experiment, k, nil).Err != nil })
				return b.inner(ctx, experiment, key, readable)
			}
		})},
		{law: "unreadable-claim", how: "writes over it", base: aloneHarness, harm: breaking(func(_ *testing.T, b *broken) {
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				stands, err := b.fullStore.Claim(ctx, experiment, key, old, e)
				if err != nil && err.Error() == "garbage" {
					return e, b.fullStore.Save(ctx, experiment, key, e)
				}
				return stands, err
			}
		})},
		{law: "unreadable-claim", how: "writes over it and says that it failed", base: aloneHarness, harm: breaking(func(_ *testing.T, b *broken) {
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				stands, err := b.fullStore.Claim(ctx, experiment, key, old, e)
				if err != nil && err.Error() == "garbage" {
					_ = b.fullStore.Save(ctx, experiment, key, e)
				}
				return stands, err
			}
		})},
		{law: "unreadable-batch", how: "fails the batch", base: aloneHarness, harm: breaking(func(_ *testing.T, b *broken) {
			b.batch = func(ctx context.Context, lookups []core.Lookup) []core.Loaded {
				all := b.fullStore.LoadBatch(ctx, lookups)
				if i := slices.IndexFunc(all, func(l core.Loaded) bool { return l.Err != nil }); i >= 0 {
					for j := range all {
						all[j] = core.Loaded{Err: all[i].Err}
					}
				}
				return all
			}
		})},
		{law: "deadline", how: "forgets its ctx", base: aloneHarness, harm: breaking(func(t *testing.T, b *broken) {
			ended, cancel := context.WithCancel(context.Background())
			t.Cleanup(cancel)
			b.clear = func(ctx context.Context, experiment string) error {
				if _, hasDeadline := ctx.Deadline(); hasDeadline {
					ctx = ended
				}
				return b.fullStore.Clear(ctx, experiment)
			}
		})},
		{law: "deadline", how: "answers when it is over", base: aloneHarness, harm: loading(func(ctx context.Context, _ *broken, l *core.Loaded, _, _ string, _ []string) {
			if errors.Is(l.Err, context.DeadlineExceeded) {
				*l = core.Loaded{}
			}
		})},
		{law: "failure", how: "takes it for an absence", base: aloneHarness, harm: loading(func(ctx context.Context, _ *broken, l *core.Loaded, _, _ string, _ []string) {
			if l.Err != nil && l.Err.Error() == "refused" {
				*l = core.Loaded{}
			}
		})},
		{law: "failure", how: "counts from memory", base: aloneHarness, harm: breaking(func(_ *testing.T, b *broken) {
			b.increment = func(ctx context.Context, experiment, name string, by int64) (int64, error) {
				n, err := b.fullStore.Increment(ctx, experiment, name, by)
				if err != nil && err.Error() == "refused" {
					return by, nil
				}
				return n, err
			}
		})},
		{law: "expires", how: "never expires", base: aloneHarness, harm: func(h *StoreHarness) {
			h.Expiring = func(*testing.T) (core.Store, time.Duration, func(time.Duration)) {
				return newRefStore(newBackend()), time.Hour, func(time.Duration) {}
			}
		}},
		{law: "renewed", how: "counts from the first write", base: aloneHarness, harm: aging("save")},
		{law: "renewed", how: "copies the age too", base: aloneHarness, harm: aging("copy")},
	}
}

func aging(operation string) func(*StoreHarness) {
	return func(h *StoreHarness) {
		intact := h.Expiring
		h.Expiring = func(t *testing.T) (core.Store, time.Duration, func(time.Duration)) {
			s, ttl, pass := intact(t)
			s.(*refStore).backend.keepsTime = operation
			return s, ttl, pass
		}
	}
}
