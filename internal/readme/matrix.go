package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/rolloutkit/rolloutkit/conformance"
)

// matrix is the block that shows what each rollout or store can do, by the
// conformance reports in the repository but for those of the suite's own tests,
// sorted by name.
// Its argument is the suite, "rollout" or "store".
func matrix(root, suite string) (string, error) {
	paths, err := find(root, func(path string) bool {
		folder, name := filepath.Split(path)
		match, _ := filepath.Match("conformance-*.json", name)
		return match && filepath.Base(folder) == "testdata" && filepath.Clean(folder) != filepath.Join(root, "conformance", "testdata")
	})
	if err != nil {
		return "", err
	}
	var reports []conformance.Report
	for _, path := range paths {
		r, err := conformance.ReadReport(path)
		switch {
		case err != nil:
			return "", err
		case r.Suite != suite:
			continue
		case !r.Conformant():
			return "", fmt.Errorf("%s is the report of one that does not conform", path)
		}
		reports = append(reports, r)
	}
	if len(reports) == 0 {
		return "", fmt.Errorf("there is no conformance report of suite %q", suite)
	}
	slices.SortFunc(reports, func(a, b conformance.Report) int { return cmp.Compare(a.Name, b.Name) })
	return "\n" + conformance.Matrix(reports...) + "\n", nil
}
