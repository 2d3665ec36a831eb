package memstore_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

type at struct{ experiment, key string }

// A model holds to the rules of core.Store and nothing else.
type model struct {
	ttl     time.Duration
	entries map[at]core.Entry
	used    map[at]time.Time
	counts  map[at]int64
}

func (m *model) load(a at) core.Entry {
	if m.ttl > 0 && time.Since(m.used[a]) > m.ttl {
		delete(m.entries, a)
	}
	m.used[a] = time.Now()
	return m.entries[a]
}

func (m *model) save(a at, e core.Entry) { m.entries[a], m.used[a] = e, time.Now() }

func drawEntry(t *rapid.T) core.Entry {
	return core.Entry{
		Variant:  rapid.SampledFrom([]string{core.Control, "red", "blue", "Große Pille 1.0"}).Draw(t, "variant"),
		Previous: rapid.SampledFrom([]string{"", "", core.Control}).Draw(t, "previous"),
		Origin:   rapid.SampledFrom([]core.Source{"", core.SourceManual, core.SourceResolved, "any"}).Draw(t, "origin"),
		Open:     rapid.SampledFrom([]string{"", "k1", "01234567", "89abcdef", "user:\xc3", "é k"}).Draw(t, "open"),
	}
}

func TestTheStoreDoesWhatAModelDoes(t *testing.T) {
	place := rapid.Custom(func(t *rapid.T) at {
		return at{
			rapid.SampledFrom([]string{"a", "b", "a/b", ""}).Draw(t, "experiment"),
			rapid.SampledFrom([]string{"k1", "k2", "k3", "0123456789abcdef", "01234567", "é k"}).Draw(t, "key"),
		}
	})
	synctest.Test(t, func(t *testing.T) {
		noDeadline := struct{ testing.TB }{t} // which a bubble can't be asked for
		rapid.Check(noDeadline, func(t *rapid.T) {
			m := model{rapid.SampledFrom([]time.Duration{0, 20 * time.Millisecond}).Draw(t, "ttl"),
				map[at]core.Entry{}, map[at]time.Time{}, map[at]int64{}}
			s := memstore.New(&memstore.Options{TTL: m.ttl, MaxEntries: rapid.SampledFrom([]int{1000, 4096}).Draw(t, "bound")})
			t.Repeat(map[string]func(*rapid.T){
				"wait": func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(0, 15).Draw(t, "ms")) * time.Millisecond) },
				"load": func(t *rapid.T) {
					var lookups, want []core.Lookup
					for _, a := range rapid.SliceOfN(place, 0, 4).Draw(t, "places") {
						lookups = append(lookups, core.Lookup{Experiment: a.experiment, Key: a.key})
						want = append(want, core.Lookup{Experiment: a.experiment, Key: a.key, Entry: m.load(a)})
					}
					require.NoError(t, s.Load(ctx, lookups))
					require.Equal(t, want, lookups)
				},
				"claim": func(t *rapid.T) {
					a, e := place.Draw(t, "place"), drawEntry(t)
					current := m.load(a)
					old := rapid.SampledFrom([]core.Entry{{}, current, drawEntry(t)}).Draw(t, "old")
					got, won, err := s.Claim(ctx, a.experiment, a.key, old, e)
					require.NoError(t, err)
					require.Equal(t, current == old, won)
					if won {
						m.save(a, e)
						current = e
					}
					require.Equal(t, current, got)
				},
				"save": func(t *rapid.T) {
					a, e := place.Draw(t, "place"), drawEntry(t)
					require.NoError(t, s.Save(ctx, a.experiment, a.key, e))
					m.save(a, e)
				},
				"delete": func(t *rapid.T) {
					a, b := place.Draw(t, "place"), place.Draw(t, "place")
					require.NoError(t, s.Delete(ctx, a.experiment, a.key, b.key))
					delete(m.entries, a)
					delete(m.entries, at{a.experiment, b.key})
				},
				"clear": func(t *rapid.T) {
					experiment := place.Draw(t, "place").experiment
					require.NoError(t, s.Clear(ctx, experiment))
					for a := range m.entries {
						if a.experiment == experiment {
							delete(m.entries, a)
						}
					}
					for a := range m.counts {
						if a.experiment == experiment {
							delete(m.counts, a)
						}
					}
				},
				"increment": func(t *rapid.T) {
					a, by := place.Draw(t, "place"), rapid.Int64Range(-3, 3).Draw(t, "by")
					m.counts[a] += by
					n, err := s.Increment(ctx, a.experiment, a.key, by)
					require.NoError(t, err)
					require.Equal(t, m.counts[a], n)
				},
				"": func(t *rapid.T) {
					if m.ttl == 0 {
						require.Equal(t, len(m.entries), s.Len())
					}
				},
			})
		})
	})
}
