package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	begin = regexp.MustCompile(`^<!-- begin:(\w+)(?: (.*))? -->\n?$`)
	end   = "<!-- end -->"
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// A block makes the text of one kind of block from the argument in its begin
// comment.
type block func(root, argument string) (string, error)

var blocks = map[string]block{"snippet": snippet, "matrix": matrix}

// render returns page with all its blocks made anew, and what is wrong with
// them, by line. A block with a fault stays as it is.
func render(root, page string) (string, []string) {
	var out strings.Builder
	var faults []string
	lines := strings.SplitAfter(page, "\n")
	for i := 0; i < len(lines); i++ {
		out.WriteString(lines[i])
		match := begin.FindStringSubmatch(lines[i])
		if match == nil {
			continue
		}
		fault := func(err error) { faults = append(faults, fmt.Sprintf("line %d: %v", i+1, err)) }
		length := slices.IndexFunc(lines[i+1:], func(l string) bool { return strings.TrimSuffix(l, "\n") == end })
		old := lines[i+1:]
		if length >= 0 {
			old = old[:length]
		}
		if length < 0 || slices.ContainsFunc(old, begin.MatchString) {
			fault(fmt.Errorf("no %s follows this block", end))
			continue
		}
		text, err := "", fmt.Errorf("no block is called %q", match[1])
		if b := blocks[match[1]]; b != nil {
			text, err = b(root, match[2])
		}
		if err != nil {
			fault(err)
			continue
		}
		out.WriteString(text)
		i += length
	}
	return out.String(), faults
}

// brokenLinks returns the links of the page at path that lead to no file.
func brokenLinks(path, page string) []string {
	var broken []string
	for _, match := range link.FindAllStringSubmatch(page, -1) {
		target, _, _ := strings.Cut(match[1], "#")
		if target == "" || strings.Contains(target, ":") {
			continue // on the same page, or elsewhere in the world
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), target)); err != nil {
			broken = append(broken, fmt.Sprintf("the link to %s leads nowhere", target))
		}
	}
	return broken
}

// isPage reports whether a file is one of the project's pages.
func isPage(path string) bool {
	return filepath.Ext(path) == ".md" && filepath.Base(filepath.Dir(path)) != "testdata"
}

// find returns the files below root that want accepts, sorted. Hidden folders,
// installed packages and what make writes are left out.
func find(root string, want func(path string) bool) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root &&
			(strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "out", "bin"}, name)) {
			return filepath.SkipDir
		}
		if !d.IsDir() && want(path) {
			paths = append(paths, path)
		}
		return nil
	})
	return paths, err
}
