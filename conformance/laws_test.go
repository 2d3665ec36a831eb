package conformance

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
)

// Run itself, with the committed report of the reference.
func TestReferenceConforms(t *testing.T) {
	report := Run(t, over(reference{}))
	require.True(t, report.Conformant())
}

func TestReferencesConform(t *testing.T) {
	for kind, h := range references() {
		t.Run(kind, func(t *testing.T) {
			rec, report := record(t, h)
			require.False(t, rec.failed, rec.text())
			require.True(t, report.Conformant())
			for _, res := range report.Laws {
				require.Equal(t, res.Status == Unsupported, rec.subs[res.Law].skipped != "", res.Law)
			}
		})
	}
}

// The laws have no false positives: what is right under one hash is right under
// all, and drawing at random is, every time. -count repeats it with other ones.
func TestLawsAcquitReferences(t *testing.T) {
	for range 2 {
		salt := fmt.Sprint(rand.Uint64())
		rec, _ := record(t, over(reference{salt: salt}))
		require.False(t, rec.failed, "under the salt %s: %s", salt, rec.text())
		rec, _ = record(t, references()["draws"])
		require.False(t, rec.failed, rec.text())
	}
}

func TestLawsAreData(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range Laws() {
		require.Regexp(t, `^[a-z]+(-[a-z]+)*$`, l.ID)
		require.False(t, seen[l.ID], "two laws are called %s", l.ID)
		seen[l.ID] = true
		require.True(t, strings.HasSuffix(l.Sentence, "."), l.ID)
		require.NotEmpty(t, l.Flags, l.ID)
		require.NotNil(t, l.check, l.ID)
		for _, c := range l.Needs {
			require.Contains(t, core.Capabilities(), c, l.ID)
		}
		for _, f := range l.Flags {
			checkFlag(t, l, f)
		}
	}
	for _, c := range core.Capabilities() {
		needed := false
		for _, l := range Laws() {
			for _, n := range l.Needs {
				needed = needed || n == c
			}
		}
		require.True(t, needed, "no law needs %s", c)
	}
}

// checkFlag holds a law's flag against the comment of Flag.
func checkFlag(t *testing.T, l Law, f Flag) {
	t.Helper()
	if f.Missing {
		require.Equal(t, Flag{Experiment: f.Experiment, Missing: true}, f, l.ID)
		return
	}
	sum, above := 0, 0
	for _, share := range f.Weights {
		sum += share
		if share > 0 {
			above++
		}
	}
	require.Equal(t, 100, sum, l.ID)
	switch f.State {
	case core.On:
		require.Equal(t, 1, above, l.ID)
		require.Zero(t, f.Weights[core.Control], l.ID)
		require.Empty(t, f.Targets, l.ID)
	case core.Conditional:
		require.True(t, above > 1 || len(f.Targets) > 0, l.ID)
	}
	if above > 1 && f.State != core.Off {
		require.Contains(t, l.Needs, core.ExactWeights, l.ID)
	}
	if f.Targets != nil {
		require.Contains(t, l.Needs, core.Targets, l.ID)
	}
}

func TestFlag(t *testing.T) {
	f := Flag{State: core.Off, Weights: map[string]int{"red": 20, core.Control: 50, "blue": 30},
		Targets: map[string]string{"k": "green", "l": core.Control}}
	require.True(t, f.Disabled())
	require.Equal(t, []string{core.Control, "blue", "green", "red"}, f.Names())
	require.Equal(t, Flag{State: core.Off, Weights: half,
		Targets: map[string]string{"k": core.Candidate, "l": core.Control}}, f.boolean())
	require.False(t, Flag{State: core.Off, Weights: nobody}.Disabled())
	require.False(t, Flag{State: core.On, Weights: all}.Disabled())
	require.Equal(t, []string{core.Control}, Flag{}.Names())
}

// A rollout that refuses a definition beforehand need not fail afterwards.
func TestRefusingAnUnknownVariantConforms(t *testing.T) {
	h := over(reference{})
	inner := h.New
	h.New = func(t *testing.T, f Flag) (core.Rollout, func(Flag)) {
		r, set := inner(t, f)
		return choosy{r}, set
	}
	i := lawIndex("pipeline-unknown-variant")
	rec := &recorder{t: t}
	report := run(rec, h, Laws()[i:i+1], options{dir: t.TempDir(), limit: time.Minute})
	require.True(t, report.Conformant(), rec.text())
}

// Every law on a rollout by itself speaks in the words of the contract, and
// every sentence of the contract's list has a law.
func TestLawsSpeakTheContract(t *testing.T) {
	source, err := os.ReadFile("../core/rollout.go")
	require.NoError(t, err)
	contract := plain(string(source))
	laws := ""
	for _, l := range Laws() {
		laws += " " + plain(l.Sentence)
		if !strings.HasPrefix(l.ID, "pipeline-") {
			require.True(t, strings.Contains(contract, plain(l.Sentence)), "law %s is not in the words of core/rollout.go", l.ID)
		}
	}
	list, _, ok := strings.Cut(string(source), "An error makes the core serve control")
	require.True(t, ok)
	_, list, ok = strings.Cut(list, "a law for each in the same words:")
	require.True(t, ok)
	rules := regexp.MustCompile(`\. |\.$`).Split(plain(list), -1)
	require.Greater(t, len(rules), 10)
	for _, rule := range rules {
		require.True(t, strings.Contains(laws, strings.TrimSpace(rule)), "no law says: %s", rule)
	}
}

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
