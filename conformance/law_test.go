package conformance

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

func TestLawsAreSound(t *testing.T) {
	t.Run("rollout", func(t *testing.T) { requireSound(t, over(reference{}).suite()) })
	t.Run("store", func(t *testing.T) { requireSound(t, refHarness(nil).suite(t)) })
}

func requireSound[S any](t *testing.T, s suite[S]) {
	var known, needed []core.Capability
	for _, a := range s.report.Capabilities {
		known = append(known, a.Capability)
	}
	seen := map[string]bool{}
	for _, l := range s.laws {
		require.Regexp(t, `^[a-z]+(-[a-z]+)*$`, l.id)
		require.False(t, seen[l.id], "two laws are called %s", l.id)
		seen[l.id] = true
		require.True(t, strings.HasSuffix(l.sentence, "."), l.id)
		require.Subset(t, known, l.needs, l.id)
		needed = append(needed, l.needs...)
	}
	require.Subset(t, needed, known, "every capability is needed by a law")
}

// Every law but those on the pipeline speaks in the words of the contract, and
// every rule in the contract's list has a law.
func TestLawsSpeakTheContract(t *testing.T) {
	t.Run("rollout", func(t *testing.T) {
		requireContract(t, over(reference{}).suite().laws, "../core/rollout.go",
			"a law for each in the same words:", "An error makes the core serve control")
	})
	t.Run("store", func(t *testing.T) {
		requireContract(t, refHarness(nil).suite(t).laws, "../core/store.go", "which has a law for each:", "The core treats every error")
	})
}

func requireContract[S any](t *testing.T, laws []law[S], path, from, to string) {
	source, err := os.ReadFile(path)
	require.NoError(t, err)
	contract, said := plain(string(source)), ""
	for _, l := range laws {
		said += " " + plain(l.sentence)
		if !strings.HasPrefix(l.id, "pipeline-") {
			require.True(t, strings.Contains(contract, plain(l.sentence)), "law %s is not in the words of %s", l.id, path)
		}
	}
	_, list, ok := strings.Cut(string(source), from)
	require.True(t, ok)
	list, _, ok = strings.Cut(list, to)
	require.True(t, ok)
	rules := regexp.MustCompile(`\. |\.$`).Split(plain(list), -1)
	require.GreaterOrEqual(t, len(rules), 5)
	for _, rule := range rules {
		if slices.ContainsFunc(allowances, func(a string) bool { return strings.HasPrefix(rule, a) }) {
			continue
		}
		require.True(t, strings.Contains(said, strings.TrimSpace(rule)), "no law says: %s", rule)
	}
}

// allowances are how the rules of the contract begin that allow something,
// which is no law.
var allowances = []string{"a store that does no i/o need not", "entries may expire"}

var (
	markup = regexp.MustCompile(`(?m)^\s*//\s*(- )?|[\[\]]`)
	blanks = regexp.MustCompile(`\s+`)
)

// plain returns text in lower case, without comment markers, links, line breaks
// and the last full stop.
func plain(text string) string {
	text = strings.ToLower(blanks.ReplaceAllString(markup.ReplaceAllString(text, ""), " "))
	return strings.TrimSuffix(strings.TrimSpace(text), ".")
}
