package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// snippet is the block that shows a file or a region of one. Its argument is a
// path from root, and after a # the region's name.
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
	language := strings.TrimPrefix(filepath.Ext(path), ".")
	return "```" + language + "\n" + strings.Trim(code, "\n") + "\n```\n", nil
}

// region returns the lines of code between `// region name` and the next
// `// endregion`, moved to the left margin. Regions don't nest.
func region(code, name string) (string, error) {
	var lines []string
	inside, seen := false, false
	for line := range strings.Lines(code) {
		mark := strings.TrimSpace(line)
		opened, opens := strings.CutPrefix(mark, "// region ")
		switch {
		case opens && inside:
			return "", fmt.Errorf("region %s begins inside region %s", opened, name)
		case opens && opened == name && seen:
			return "", fmt.Errorf("there are two regions called %s", name)
		case opens && opened == name:
			inside, seen = true, true
		case mark == "// endregion":
			inside = false
		case inside:
			lines = append(lines, line)
		}
	}
	switch {
	case inside:
		return "", fmt.Errorf("region %s has no end", name)
	case len(lines) == 0:
		return "", fmt.Errorf("there is no code in a region called %q", name)
	}
	indent := margin(lines)
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, indent)
	}
	return strings.Join(lines, ""), nil
}

// margin returns the white space that all lines but blank ones begin with.
func margin(lines []string) string {
	common, first := "", true
	for _, line := range lines {
		body := strings.TrimLeft(line, " \t")
		if strings.TrimSpace(body) == "" {
			continue
		}
		indent := line[:len(line)-len(body)]
		if first || strings.HasPrefix(common, indent) {
			common, first = indent, false
		}
	}
	return common
}
