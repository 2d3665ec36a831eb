package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The pages of this repository are what `go run ./internal/readme` makes them.
func TestPagesAreUpToDate(t *testing.T) {
	problems, err := run("../..", true)
	require.NoError(t, err)
	require.Empty(t, problems)
}

const code = `package p

func f() {
	// region small
	if a {

		b()
	}
	// endregion
	// region empty
	// endregion
	// region open
	c()
}
`

func TestSnippet(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "p.go"), []byte(code), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(root, "out.txt"), []byte("hello\n"), 0o666))
	const page = "# T\n" +
		"<!-- begin:snippet p.go#small -->\nold\n<!-- end -->\nbetween\n" +
		"<!-- begin:snippet out.txt -->\n<!-- end -->\n"
	got, faults := render(root, page)
	require.Empty(t, faults)
	require.Equal(t, "# T\n"+
		"<!-- begin:snippet p.go#small -->\n```go\nif a {\n\n\tb()\n}\n```\n<!-- end -->\nbetween\n"+
		"<!-- begin:snippet out.txt -->\n```txt\nhello\n```\n<!-- end -->\n", got)
	again, faults := render(root, got)
	require.Empty(t, faults)
	require.Equal(t, got, again)
}

const report = `{"suite": "rollout", "name": "NAME",
	"capabilities": [{"capability": "reports-on", "supported": true}, {"capability": "targets", "supported": HAS, "reason": "WHY"}],
	"laws": [{"law": "a", "status": "passed"}, {"law": "b", "status": "unsupported"}]}`

func TestMatrix(t *testing.T) {
	root := t.TempDir()
	write := func(pkg, name string, replacements ...string) {
		dir := filepath.Join(root, pkg, "testdata")
		require.NoError(t, os.MkdirAll(dir, 0o777))
		text := strings.NewReplacer(append(replacements, "NAME", name)...).Replace(report)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "conformance-"+name+".json"), []byte(text), 0o666))
	}
	write("providers/x", "x", "HAS", "false", "WHY", "x has none")
	write("providers/y", "y", "HAS", "true")
	write("conformance", "reference", "HAS", "true")
	const page = "<!-- begin:matrix rollout -->\n<!-- end -->\n"
	got, faults := render(root, page)
	require.Empty(t, faults)
	require.Contains(t, got, "| x |")
	require.Contains(t, got, "x has none")
	require.Contains(t, got, "| y |")
	require.NotContains(t, got, "reference")

	write("providers/z", "z", "HAS", "true", "passed", "failed")
	_, faults = render(root, page)
	require.Contains(t, faults[0], "does not conform")
	_, faults = render(root, "<!-- begin:matrix store -->\n<!-- end -->\n")
	require.Contains(t, faults[0], `no conformance report of suite "store"`)
}

func TestFaults(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "p.go"), []byte(code), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(root, "twice.go"), []byte("// region a\nx\n// endregion\n// region a\n"), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(root, "nested.go"), []byte("// region a\n// region b\n"), 0o666))
	for _, c := range []struct{ page, want string }{
		{"<!-- begin:snippet p.go#none -->\n<!-- end -->\n", `line 1: p.go: there is no code in a region called "none"`},
		{"<!-- begin:snippet p.go#empty -->\n<!-- end -->\n", `there is no code in a region called "empty"`},
		{"<!-- begin:snippet p.go#open -->\n<!-- end -->\n", "region open has no end"},
		{"<!-- begin:snippet twice.go#a -->\n<!-- end -->\n", "there are two regions called a"},
		{"<!-- begin:snippet nested.go#a -->\n<!-- end -->\n", "region b begins inside region a"},
		{"<!-- begin:snippet gone.go -->\n<!-- end -->\n", "no such file"},
		{"<!-- begin:chart -->\n<!-- end -->\n", `no block is called "chart"`},
		{"\n<!-- begin:snippet p.go -->\n", "line 2: no <!-- end --> follows this block"},
		{"<!-- begin:snippet p.go -->\n<!-- begin:snippet p.go -->\n<!-- end -->\n", "line 1: no <!-- end --> follows this block"},
	} {
		_, faults := render(root, c.page)
		require.Len(t, faults, 1, c.page)
		require.Contains(t, faults[0], c.want)
	}
	page := "<!-- begin:snippet gone.go -->\nkept\n<!-- end -->\n"
	got, _ := render(root, page)
	require.Equal(t, page, got, "a block with a fault stays as it is")
}

func TestRun(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "README.md")
	require.NoError(t, os.WriteFile(filepath.Join(root, "p.go"), []byte(code), 0o666))
	require.NoError(t, os.Mkdir(filepath.Join(root, "out"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(root, "out", "skipped.md"), []byte("[gone](gone)"), 0o666))
	require.NoError(t, os.WriteFile(path, []byte("[code](p.go), [web](https://example.com), [here](#x)\n<!-- begin:snippet p.go#small -->\n<!-- end -->\n"), 0o666))

	problems, err := run(root, true)
	require.NoError(t, err)
	require.Equal(t, []string{path + " is out of date: run go run ./internal/readme"}, problems)
	problems, err = run(root, false)
	require.NoError(t, err)
	require.Empty(t, problems)
	problems, err = run(root, true)
	require.NoError(t, err)
	require.Empty(t, problems)

	require.NoError(t, os.WriteFile(path, []byte("[code](docs/gone.md#x)\n"), 0o666))
	problems, err = run(root, true)
	require.NoError(t, err)
	require.Equal(t, []string{path + ": the link to docs/gone.md leads nowhere"}, problems)
}
