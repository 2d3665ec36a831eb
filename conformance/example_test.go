package conformance_test

import "testing"

// The example of Run holds.
func TestExampleRun(t *testing.T) { testSwitchboard(t) }

// The example of RunStore holds.
func TestExampleRunStore(t *testing.T) { testShelf(t) }
