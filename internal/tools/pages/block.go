package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rolloutkit/rolloutkit/conformance"
)

// block makes the text of a block.
func block(root, kind, argument string) (string, error) {
	switch kind {
	case "snippet":
		return snippet(root, argument)
	case "matrix":
		return matrix(root, argument)
	}
	return "", fmt.Errorf("no block is called %q", kind)
}

// snippet shows a file, or after a # a region of one.
func snippet(root, argument string) (string, error) {
	path, name, isRegion := strings.Cut(argument, "#")
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return "", err
	}
	code := string(text)
	if isRegion {
		if code, err = region(code, name); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
	}
	return "```" + strings.TrimPrefix(filepath.Ext(path), ".") + "\n" + strings.Trim(code, "\n") + "\n```\n", nil
}

// region returns the lines of code between `// region name` and the next
// `// endregion`, moved to the left by as much as that comment is indented.
func region(code, name string) (string, error) {
	var text strings.Builder
	indent, inside, seen := "", false, false
	for line := range strings.Lines(code) {
		mark := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(mark, "// region ") && inside:
			return "", fmt.Errorf("region %s has no end", name)
		case mark == "// region "+name && seen:
			return "", fmt.Errorf("there are two regions called %s", name)
		case mark == "// region "+name:
			inside, seen = true, true
			indent = line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		case mark == "// endregion":
			inside = false
		case inside:
			text.WriteString(strings.TrimPrefix(line, indent))
		}
	}
	switch {
	case inside:
		return "", fmt.Errorf("region %s has no end", name)
	case text.Len() == 0:
		return "", fmt.Errorf("there is no code in a region called %q", name)
	}
	return text.String(), nil
}

// matrix shows what each rollout or store can do, by the conformance reports of
// a suite, sorted by name. The suite's own tests are left out.
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
