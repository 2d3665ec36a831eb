// Package noleak looks for goroutines that tests left behind.
package noleak

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Require fails unless all goroutines end but those that options ignore. A busy
// machine takes longer than goleak waits.
func Require(t testing.TB, options ...goleak.Option) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); goleak.Find(options...) != nil && time.Now().Before(deadline); {
		continue // Find waits
	}
	goleak.VerifyNone(t, options...)
}
