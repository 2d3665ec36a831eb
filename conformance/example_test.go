package conformance_test

import "testing"

// The example of Run holds.
func TestExampleRun(t *testing.T) { testSwitchboard(t) }
