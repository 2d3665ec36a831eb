package conformance

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// RunStore itself, with the committed report of the reference.
func TestReferenceStoreConforms(t *testing.T) {
	report := RunStore(t, refHarness())
	require.True(t, report.Conformant())
}

// The laws find nothing wrong with what is right, however much of it is there.
func TestStoreLawsAcquitReferences(t *testing.T) {
	names := refHarness()
	names.New = func(*testing.T) core.Store { return namesOnly{newRefStore(newBackend())} }
	names.Address = func(t *testing.T, s core.Store) string { return s.(namesOnly).backend.serve(t) }
	names.Join = func(t *testing.T, address string) core.Store {
		return namesOnly{refHarness().Join(t, address).(*refStore)}
	}
	names.Corrupt = func(t *testing.T, s core.Store, experiment, key string) {
		refHarness().Corrupt(t, s.(namesOnly).refStore, experiment, key)
	}
	names.Between = func(t *testing.T, s core.Store, write func()) func() bool {
		return refHarness().Between(t, s.(namesOnly).refStore, write)
	}
	names.Expiring = func(t *testing.T) (core.Store, time.Duration, func(time.Duration)) {
		s, ttl, pass := refHarness().Expiring(t)
		return namesOnly{s.(*refStore)}, ttl, pass
	}
	names.Unsupported = map[core.Capability]string{WholeEntries: "names only", CopiesOlder: "moves"}
	for kind, h := range map[string]StoreHarness{"names": names, "least": leastHarness(), "alone": aloneHarness(), "memory": memoryHarness()} {
		t.Run(kind, func(t *testing.T) {
			rec := &recorder{t: t}
			report := runStore(rec, h, StoreLaws(), options{dir: t.TempDir(), limit: time.Minute})
			require.False(t, rec.failed, rec.text())
			require.True(t, report.Conformant())
			require.Equal(t, "store", report.Suite)
			for _, res := range report.Laws {
				require.Equal(t, res.Status == Unsupported, rec.subs[res.Law].skipped != "", res.Law)
			}
		})
	}
}

func TestStoreLawsAreData(t *testing.T) {
	seen, needed := map[string]bool{}, map[core.Capability]bool{}
	for _, l := range StoreLaws() {
		require.Regexp(t, `^[a-z]+(-[a-z]+)*$`, l.ID)
		require.False(t, seen[l.ID], "two laws are called %s", l.ID)
		seen[l.ID] = true
		require.True(t, strings.HasSuffix(l.Sentence, "."), l.ID)
		require.NotNil(t, l.check, l.ID)
		for _, c := range l.Needs {
			require.Contains(t, StoreCapabilities(), c, l.ID)
			needed[c] = true
		}
	}
	require.ElementsMatch(t, StoreCapabilities(), slices.Collect(maps.Keys(needed)))
}

// The laws speak in the words of the contract, and every rule in the contract's
// list has a law.
func TestStoreLawsSpeakTheContract(t *testing.T) {
	source, err := os.ReadFile("../core/store.go")
	require.NoError(t, err)
	contract, laws := plain(string(source)), ""
	for _, l := range StoreLaws() {
		laws += " " + plain(l.Sentence)
		require.True(t, strings.Contains(contract, plain(l.Sentence)), "law %s is not in the words of core/store.go", l.ID)
	}
	_, list, ok := strings.Cut(string(source), "which has a law for each:")
	require.True(t, ok)
	list, _, ok = strings.Cut(list, "The core treats every error")
	require.True(t, ok)
	rules := regexp.MustCompile(`\. |\.$`).Split(plain(list), -1)
	require.GreaterOrEqual(t, len(rules), 5)
	for _, rule := range rules {
		if strings.HasPrefix(rule, "a store that does no i/o need not") || strings.HasSuffix(rule, "entries may expire") {
			continue // what is allowed is no law
		}
		require.True(t, strings.Contains(laws, strings.TrimSpace(rule)), "no law says: %s", rule)
	}
}

func TestStoreHarnessHasToBeSound(t *testing.T) {
	for want, harm := range map[string]func(h *StoreHarness){
		"not usable as the name":               func(h *StoreHarness) { h.Name = "" },
		"StoreHarness.New is nil":              func(h *StoreHarness) { h.New = nil },
		"Corrupt is nil":                       func(h *StoreHarness) { h.Corrupt = nil },
		"Expiring is set":                      func(h *StoreHarness) { h.Unsupported = map[core.Capability]string{Expires: "never"} },
		`"targets", which is no capability`:    func(h *StoreHarness) { h.Unsupported = map[core.Capability]string{core.Targets: "no"} },
		"opts out of batches without a reason": func(h *StoreHarness) { h.Unsupported = map[core.Capability]string{Batches: "\n"} },
	} {
		t.Run(want, func(t *testing.T) {
			h := refHarness()
			harm(&h)
			rec := &recorder{t: t}
			report := runStore(rec, h, StoreLaws(), options{dir: t.TempDir(), limit: time.Minute})
			require.Len(t, rec.errors, 1)
			require.Contains(t, rec.errors[0], want)
			require.Empty(t, rec.subs, "laws were run all the same")
			require.False(t, report.Conformant())
			for _, res := range report.Laws {
				require.Equal(t, NotRun, res.Status)
			}
		})
	}
}

// What a hook does wrong is said, and fails the law.
func TestStoreHooksHaveToWork(t *testing.T) {
	for _, c := range []struct {
		law, want string
		harm      func(h *StoreHarness)
	}{
		{"absent", "StoreHarness.New returned no store", func(h *StoreHarness) { h.New = func(*testing.T) core.Store { return nil } }},
		{"handles-agree", "StoreHarness.Join returned no store", func(h *StoreHarness) {
			h.Join = func(*testing.T, string) core.Store { return nil }
		}},
		{"expires", "StoreHarness.Expiring returned the time 0s", func(h *StoreHarness) {
			h.Expiring = func(*testing.T) (core.Store, time.Duration, func(time.Duration)) {
				return newRefStore(newBackend()), 0, nil
			}
		}},
		{"renewed", "the machine was too slow", func(h *StoreHarness) {
			h.Expiring = func(*testing.T) (core.Store, time.Duration, func(time.Duration)) {
				return core.NewMemoryStore(&core.MemoryOptions{TTL: time.Millisecond}), time.Millisecond,
					func(time.Duration) { time.Sleep(5 * time.Millisecond) }
			}
		}},
		{"count", "is no core.Counter", func(h *StoreHarness) {
			h.New = func(*testing.T) core.Store { return struct{ core.Store }{newRefStore(newBackend())} }
		}},
		{"batch-order", "is no core.BatchLoader", func(h *StoreHarness) {
			h.New = func(*testing.T) core.Store { return struct{ core.Store }{newRefStore(newBackend())} }
		}},
		{"batch-as-load", "LoadBatch of 8 lookups returns 0 results", breaking(func(_ *testing.T, b *broken) {
			b.batch = func(context.Context, []core.Lookup) []core.Loaded { return nil }
		})},
		{"unreadable-batch", "LoadBatch of 4 lookups returns 0 results", breaking(func(_ *testing.T, b *broken) {
			b.batch = func(context.Context, []core.Lookup) []core.Loaded { return nil }
		})},
	} {
		t.Run(c.want, func(t *testing.T) {
			h := refHarness()
			c.harm(&h)
			text := caught(t, h, c.law)
			require.Contains(t, text, c.want)
		})
	}
}

// An error of any operation is a problem of the law that called it.
func TestStoreErrorsAreProblems(t *testing.T) {
	down := refHarness()
	down.New = down.Down
	down.Address, down.Join, down.Corrupt, down.Between = nil, nil, nil, nil
	down.Unsupported = map[core.Capability]string{Shares: "no", HoldsGarbage: "no", Interleaves: "no"}
	for law, want := range map[string]string{
		"absent": "Load of", "claim": "Claim of", "save": "Save of", "delete-absent": "Delete of", "clear": "Clear of", "count": "Increment of",
	} {
		text := caught(t, down, law)
		require.Contains(t, text, want)
		require.Contains(t, text, "refused")
	}
}

// caught runs one law over h, which it has to fail, and returns what it says.
func caught(t *testing.T, h StoreHarness, law string) string {
	t.Helper()
	i := slices.IndexFunc(StoreLaws(), func(l StoreLaw) bool { return l.ID == law })
	rec := &recorder{t: t}
	report := runStore(rec, h, StoreLaws()[i:i+1], options{dir: t.TempDir(), limit: time.Minute})
	require.Equal(t, Failed, report.Laws[0].Status)
	require.Len(t, rec.subs[law].errors, 1)
	return rec.subs[law].errors[0]
}

// A worker that can't do its job is a problem, not a hang.
func TestStoreWorkersHaveToWork(t *testing.T) {
	for how, c := range map[string]struct {
		want string
		join func(t *testing.T, s *refStore) core.Store
	}{
		"ends": {"ended before it said", func(t *testing.T, _ *refStore) core.Store {
			t.Skip("this one can't join")
			return nil
		}},
		"fails": {"the worker: claim of unit 0: no luck", func(_ *testing.T, s *refStore) core.Store {
			return &broken{fullStore: s, claim: func(context.Context, string, string, core.Entry, core.Entry) (core.Entry, error) {
				return core.Entry{}, errors.New("no luck")
			}}
		}},
	} {
		t.Run(how, func(t *testing.T) {
			h := refHarness()
			intact := h.Join
			h.Join = func(t *testing.T, address string) core.Store {
				return c.join(t, intact(t, address).(*refStore))
			}
			require.Contains(t, caught(t, h, "processes-agree"), c.want)
		})
	}
}

func TestStoreReportIsGolden(t *testing.T) {
	dir := t.TempDir()
	rec := &recorder{t: t}
	laws := StoreLaws()[:3]
	runStore(rec, memoryHarness(), laws, options{dir: dir, update: true, limit: time.Minute})
	require.False(t, rec.failed, rec.text())
	report, err := ReadReport(filepath.Join(dir, "conformance-memory.json"))
	require.NoError(t, err)
	require.Equal(t, "store", report.Suite)
	require.Len(t, report.Laws, 3)

	rec = &recorder{t: t, only: "absent"}
	report = runStore(rec, memoryHarness(), laws, options{dir: dir, limit: time.Minute})
	require.False(t, report.Conformant(), "a run of some laws")
}

func TestShowSaysEveryField(t *testing.T) {
	require.Equal(t, "no entry", show(core.Entry{}))
	require.Equal(t, `"green" forced`, show(greenEntry))
	require.Equal(t, `"control" resolved open under "01234567" after "red"`, show(core.Entry{Variant: core.Control, Origin: core.SourceResolved,
		Under: "01234567", Previous: "red"}))
}

// That a machine stands still is no fault of a store's whose entries expire.
func TestExpiryLawsWaitForSlowMachines(t *testing.T) {
	const ttl = time.Second
	for when, stall := range map[string]func(b *broken){
		"before a load": func(b *broken) {
			b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
				time.Sleep(2 * ttl)
				return b.inner(ctx, experiment, key, older)
			}
		},
		"before a claim": func(b *broken) {
			b.claim = func(ctx context.Context, experiment, key string, old, e core.Entry) (core.Entry, error) {
				time.Sleep(2 * ttl)
				return b.fullStore.Claim(ctx, experiment, key, old, e)
			}
		},
	} {
		for _, law := range expiryLaws() {
			t.Run(law.ID+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					stalls := true // the first store alone
					h := aloneHarness()
					h.Expiring = func(*testing.T) (core.Store, time.Duration, func(time.Duration)) {
						b := &broken{fullStore: core.NewMemoryStore(&core.MemoryOptions{TTL: ttl})}
						if stalls {
							stall(b)
						}
						stalls = false
						return b, ttl, time.Sleep
					}
					rec := &recorder{t: t}
					report := runStore(rec, h, []StoreLaw{law}, options{dir: t.TempDir(), limit: time.Minute})
					require.Equal(t, Passed, report.Laws[0].Status, rec.text())
				})
			})
		}
	}
}

// Nor is it that a store is late once.
func TestDeadlineLawWaitsForSlowMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		h := aloneHarness()
		blocked := h.Blocked
		h.Blocked = func(t *testing.T) core.Store {
			b := &broken{fullStore: blocked(t).(fullStore)}
			if made++; made == 1 {
				b.load = func(ctx context.Context, experiment, key string, older []string) core.Loaded {
					<-ctx.Done()
					time.Sleep(2 * grace)
					return core.Loaded{Err: ctx.Err()}
				}
			}
			return b
		}
		i := slices.IndexFunc(StoreLaws(), func(l StoreLaw) bool { return l.ID == "deadline" })
		rec := &recorder{t: t}
		report := runStore(rec, h, StoreLaws()[i:i+1], options{dir: t.TempDir(), limit: time.Minute})
		require.Equal(t, Passed, report.Laws[0].Status, rec.text())
		require.Equal(t, 2, made)
		time.Sleep(time.Minute) // those that were late have ended
	})
}
