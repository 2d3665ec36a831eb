package conformance

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
)

// RunStore itself, with the committed report of the reference.
func TestReferenceStoreConforms(t *testing.T) {
	require.True(t, RunStore(t, refHarness(nil)).Conformant())
}

// The laws find nothing wrong with what is right, however much of it is there.
func TestReferenceStoresConform(t *testing.T) {
	for kind, h := range map[string]StoreHarness{"names": namesHarness(nil), "least": leastHarness(), "alone": aloneHarness(nil)} {
		t.Run(kind, func(t *testing.T) {
			h.work(t)
			rec, report := record(t, h.suite(t))
			require.False(t, rec.failed, rec.text())
			require.True(t, report.Conformant())
			require.Equal(t, "store", report.Suite)
			for _, res := range report.Laws {
				require.Equal(t, res.Status == Unsupported, rec.subs[res.Law].skipped != "", res.Law)
			}
		})
	}
}

// aloneHarness returns the harness of stores that can do everything but share.
func aloneHarness(w wrap) StoreHarness {
	h := refHarness(w)
	h.Address, h.Join = nil, nil
	h.Unsupported = map[core.Capability]string{Shares: "each has its own data"}
	return h
}

// caught runs one law over h, which it has to fail, and returns what it says.
func caught(t *testing.T, h StoreHarness, law string) string {
	t.Helper()
	h.work(t)
	rec, report := record(t, h.suite(t), law)
	require.Equal(t, []Result{{Law: law, Status: Failed}}, report.Laws)
	return rec.subs[law].text()
}

// What a hook does wrong is said, and fails the law.
func TestStoreHooksHaveToWork(t *testing.T) {
	for want, c := range map[string]struct {
		law  string
		harm func(h *StoreHarness)
	}{
		"StoreHarness.New returned no store":  {"absent", func(h *StoreHarness) { h.New = func(*testing.T) core.Store { return nil } }},
		"StoreHarness.Join returned no store": {"handles-agree", func(h *StoreHarness) { h.Join = func(*testing.T, string) core.Store { return nil } }},
		"StoreHarness.Expiring returned the time 0s": {"expires", func(h *StoreHarness) {
			h.Expiring = func(t *testing.T) (core.Store, time.Duration, func(time.Duration)) { return h.New(t), 0, nil }
		}},
		"the machine was too slow": {"renewed", func(h *StoreHarness) {
			h.Expiring = func(*testing.T) (core.Store, time.Duration, func(time.Duration)) {
				return memstore.New(&memstore.Options{TTL: time.Millisecond}), time.Millisecond,
					func(time.Duration) { time.Sleep(5 * time.Millisecond) }
			}
		}},
		"is no core.Counter": {"count", func(h *StoreHarness) {
			h.New = func(*testing.T) core.Store { return struct{ core.Store }{memstore.New(nil)} }
		}},
	} {
		t.Run(want, func(t *testing.T) {
			h := refHarness(nil)
			c.harm(&h)
			require.Contains(t, caught(t, h, c.law), want)
		})
	}
}

// An error of any operation is a problem of the law that called it.
func TestStoreErrorsAreProblems(t *testing.T) {
	h := refHarness(nil)
	h.New = h.Down
	for law, want := range map[string]string{
		"absent": "Load of", "claim": "Claim of", "save": "Save of", "delete-absent": "Delete of", "clear": "Clear of", "count": "Increment of",
	} {
		t.Run(law, func(t *testing.T) {
			text := caught(t, h, law)
			require.Contains(t, text, want)
			require.Contains(t, text, "refused")
		})
	}
}

// A worker that can't do its job is a problem, not a hang.
func TestStoreWorkersHaveToWork(t *testing.T) {
	t.Run("one that ends", func(t *testing.T) {
		h := refHarness(nil)
		h.Join = func(t *testing.T, _ string) core.Store {
			t.Skip("this one can't join")
			return nil
		}
		require.Contains(t, caught(t, h, "processes-agree"), "ended before it said")
	})
	t.Run("one that fails", func(t *testing.T) {
		var h StoreHarness
		on("claim", func(context.Context, Step, call) (Answer, error) { return Answer{}, errors.New("no luck") })(&h)
		require.Contains(t, caught(t, h, "processes-agree"), "the worker: claim of unit 0: no luck")
	})
}

// That a machine stands still is no fault of a store's whose entries expire.
func TestExpiryLawsWaitForSlowMachines(t *testing.T) {
	for _, law := range []string{"expires", "renewed"} {
		for _, op := range []string{"load", "claim"} {
			t.Run(law+" after a "+op, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := onceSlow(op, 2*time.Second)
					h.Expiring = func(t *testing.T) (core.Store, time.Duration, func(time.Duration)) {
						s := h.New(t)
						s.(*refStore).backend.ttl = time.Second
						return s, time.Second, time.Sleep
					}
					rec, report := record(t, h.suite(t), law)
					require.True(t, report.Conformant(), rec.text())
				})
			})
		}
	}
}

// Nor is it that a store is late once.
func TestDeadlineLawWaitsForSlowMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, report := record(t, onceSlow("load", 2*grace).suite(t), "deadline")
		require.True(t, report.Conformant(), rec.text())
		time.Sleep(time.Minute) // those that were late have ended
	})
}

// onceSlow returns the harness of stores of which the first takes its time for
// one operation.
func onceSlow(op string, delay time.Duration) StoreHarness {
	slow := true
	return aloneHarness(func(next call) call {
		d := time.Duration(0)
		if slow {
			d, slow = delay, false
		}
		return func(ctx context.Context, s Step) (Answer, error) {
			a, err := next(ctx, s)
			if s.Op == op {
				time.Sleep(d)
			}
			return a, err
		}
	})
}
