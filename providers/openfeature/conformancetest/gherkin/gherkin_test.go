package gherkin

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cucumber/godog"
	"github.com/stretchr/testify/require"
)

// folderEnv names another folder of features and flags.
const folderEnv = "ROLLOUTKIT_GHERKIN"

// inapplicable are the scenarios that ask for what experiments don't have, by
// name, with the reasons.
var inapplicable = map[string]string{
	"Returns metadata":                    "an experiment has no metadata of its own: a flag's metadata tells how it was decided",
	"Flag metadata in evaluation details": "an experiment has no metadata of its own: a flag's metadata tells how it was decided",
	"Returns no metadata":                 "the metadata of an experiment is never empty: it tells how it was decided",
}

// A result is how one scenario went; an outline makes several of one name.
type result struct {
	name string
	err  error
}

func TestScenarios(t *testing.T) {
	folder := cmp.Or(os.Getenv(folderEnv), "testdata")
	features, err := filepath.Glob(filepath.Join(folder, "*.feature"))
	require.NoError(t, err)
	if len(features) == 0 {
		t.Skipf("%s=%s: no features are in there, so NO SCENARIO OF OPENFEATURE'S WAS RUN", folderEnv, folder)
	}
	flags, err := readFlags(filepath.Join(folder, "test-flags.json"))
	require.NoError(t, err)

	var results []result
	var report bytes.Buffer
	suite := godog.TestSuite{
		Name: "openfeature",
		Options: &godog.Options{Format: "pretty", Output: &report, NoColors: true, Strict: true, Paths: features,
			DefaultContext: t.Context()},
		ScenarioInitializer: func(sc *godog.ScenarioContext) {
			w := newWorld(flags)
			w.steps(sc)
			sc.Before(func(ctx context.Context, s *godog.Scenario) (context.Context, error) {
				if inapplicable[s.Name] != "" {
					return ctx, godog.ErrSkip
				}
				return ctx, nil
			})
			sc.After(func(ctx context.Context, s *godog.Scenario, err error) (context.Context, error) {
				results = append(results, result{s.Name, err})
				return ctx, w.end()
			})
		},
	}
	status := suite.Run()

	passed, skipped := 0, map[string]int{}
	for _, r := range results {
		reason := inapplicable[r.name]
		switch {
		case reason != "":
			skipped[r.name]++
		case r.err == nil:
			passed++
		}
		t.Run(r.name, func(t *testing.T) {
			if reason != "" {
				t.Skip("does not apply: " + reason)
			}
			require.NoError(t, r.err)
		})
	}
	fmt.Printf("OpenFeature's scenarios: %d of %d pass\n", passed, len(results))
	for _, name := range slices.Sorted(maps.Keys(skipped)) {
		fmt.Printf("OpenFeature's scenarios: %d of %q do not apply: %s\n", skipped[name], name, inapplicable[name])
	}
	require.NotZero(t, passed)
	require.Zero(t, status, "%s", &report)
	for name := range inapplicable {
		require.NotZero(t, skipped[name], "no scenario is called %q any more", name)
	}
}
