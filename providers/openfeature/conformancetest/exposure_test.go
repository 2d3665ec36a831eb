package conformancetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/providers/openfeature"
)

// What the table of providers in the package comment says: the relay exports one
// event for each evaluation, stored hits included, but not of a flag that has
// trackEvents: false.
func TestRelayCountsEvaluations(t *testing.T) {
	out := t.TempDir()
	relay := startRelay(t, `{
		"counted": {"variations": {"control": "control", "red": "red"}, "defaultRule": {"variation": "red"}},
		"silent":  {"variations": {"control": "control", "red": "red"}, "defaultRule": {"variation": "red"}, "trackEvents": false}
	}`, fmt.Sprintf("exporters:\n  - kind: file\n    outputDir: %s\n    flushInterval: 100\n", out))
	client, err := core.New(core.Config{KeySecret: make([]byte, 32), Store: memstore.New(nil),
		Rollout: openfeature.New(newOFREP(t, relay.url), nil)})
	require.NoError(t, err)
	for _, name := range []string{"silent", "counted"} {
		e, err := core.Define(client, core.Definition[string, string]{Name: name,
			Unit: func(id string) core.Unit { return core.Actor(id) }, Variants: []core.Variant[string, string]{{Name: "red"}}})
		require.NoError(t, err)
		require.Equal(t, core.SourceResolved, e.Assign(t.Context(), "ann").Source)
		require.Equal(t, core.SourceStored, e.Assign(t.Context(), "ann").Source)
	}
	require.Eventually(t, func() bool { return exported(t, out)["counted"] == 2 }, 20*time.Second, 50*time.Millisecond)
	require.Zero(t, exported(t, out)["silent"])
}

// exported returns how many events there are of each flag in a folder.
func exported(t *testing.T, dir string) map[string]int {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	counts := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			var event struct{ Key string }
			if json.Unmarshal([]byte(line), &event) == nil {
				counts[event.Key]++
			}
		}
	}
	return counts
}
