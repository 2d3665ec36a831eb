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
	begin = regexp.MustCompile(`^<!-- begin:(\w+) (.*) -->\n?$`)
	end   = "<!-- end -->"
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// update returns the pages below root that are out of date, by path, as they
// should be, and what is wrong with pages.
func update(root string) (changed map[string]string, faults []string, err error) {
	paths, err := find(root, func(path string) bool {
		return filepath.Ext(path) == ".md" && filepath.Base(filepath.Dir(path)) != "testdata"
	})
	changed = map[string]string{}
	for _, path := range paths {
		old, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		page, wrong := render(root, string(old))
		if page != string(old) {
			changed[path] = page
		}
		for _, w := range append(wrong, brokenLinks(path, page)...) {
			faults = append(faults, path+": "+w)
		}
	}
	return changed, faults, err
}

// render returns page with all its blocks made anew, and what is wrong with
// them, by line. A block with a fault stays as it is.
func render(root, page string) (made string, faults []string) {
	var out strings.Builder
	lines := strings.SplitAfter(page, "\n")
	for i := 0; i < len(lines); i++ {
		out.WriteString(lines[i])
		match := begin.FindStringSubmatch(lines[i])
		if match == nil {
			continue
		}
		length := slices.IndexFunc(lines[i+1:], func(l string) bool { return strings.TrimSuffix(l, "\n") == end })
		if length < 0 || slices.ContainsFunc(lines[i+1:i+1+length], begin.MatchString) {
			faults = append(faults, fmt.Sprintf("line %d: no %s follows this block", i+1, end))
			continue
		}
		text, err := block(root, match[1], match[2])
		if err != nil {
			faults = append(faults, fmt.Sprintf("line %d: %v", i+1, err))
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
