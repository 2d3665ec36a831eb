package conformance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func ExampleMatrix() {
	percent := Report{
		Suite: "rollout", Name: "percent",
		Capabilities: []Ability{{Capability: "exact-weights", Supported: true}, {Capability: "reloads", Reason: "weights are code"}},
		Laws:         []Result{{Law: "split", Status: Passed}, {Law: "reloads", Status: Unsupported}},
	}
	acme := Report{
		Suite: "rollout", Name: "acme", Remote: "asks a server",
		Capabilities: []Ability{{Capability: "exact-weights", Supported: true}, {Capability: "reloads", Supported: true}},
		Laws:         []Result{{Law: "split", Status: Passed}, {Law: "reloads", Status: Passed}},
	}
	fmt.Print(Matrix(percent, acme))
	// Output:
	// | rollout | exact-weights | reloads | laws |
	// |---|:-:|:-:|--:|
	// | percent | ✓ | – | 1 of 2 |
	// | acme | ✓ | ✓ | 2 of 2 |
	//
	// - reloads: weights are code (percent)
	// - evaluates remotely: asks a server (acme)
}

func TestMatrixSeparatesSuites(t *testing.T) {
	require.Empty(t, Matrix())
	got := Matrix(
		Report{Suite: "rollout", Name: "a", Capabilities: []Ability{{Capability: "x", Reason: "two\n lines | a bar"}}},
		Report{Suite: "store", Name: "b", Capabilities: []Ability{{Capability: "y", Supported: true}}},
		Report{Suite: "rollout", Name: "c", Capabilities: []Ability{{Capability: "z", Supported: true}}},
	)
	require.Equal(t, `| rollout | x | z | laws |
|---|:-:|:-:|--:|
| a | – |   | 0 of 0 |
| c |   | ✓ | 0 of 0 |

- x: two lines | a bar (a)

| store | y | laws |
|---|:-:|--:|
| b | ✓ | 0 of 0 |
`, got)
}
