package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPagesAreUpToDate(t *testing.T) {
	changed, faults, err := update("../../..")
	require.NoError(t, err)
	require.Empty(t, faults)
	for path := range changed {
		t.Errorf("%s is out of date: run `make generate`", path)
	}
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

// write makes the files below a new directory.
func write(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	}
	return root
}

func TestSnippet(t *testing.T) {
	root := write(t, map[string]string{"p.go": code, "out.txt": "hello\n"})
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

func TestMatrix(t *testing.T) {
	report := func(name, supported, status string) string {
		return strings.NewReplacer("NAME", name, "HAS", supported, "STATUS", status).Replace(`{"suite": "rollout", "name": "NAME",
			"capabilities": [{"capability": "reports-on", "supported": true}, {"capability": "targets", "supported": HAS, "reason": "NAME has none"}],
			"laws": [{"law": "a", "status": "STATUS"}, {"law": "b", "status": "unsupported"}]}`)
	}
	root := write(t, map[string]string{
		"providers/x/testdata/conformance-x.json":         report("x", "false", "passed"),
		"providers/y/testdata/conformance-y.json":         report("y", "true", "passed"),
		"conformance/testdata/conformance-reference.json": report("reference", "true", "passed"),
	})
	text, err := matrix(root, "rollout")
	require.NoError(t, err)
	require.Contains(t, text, "| x |")
	require.Contains(t, text, "x has none")
	require.Contains(t, text, "| y |")
	require.NotContains(t, text, "reference")

	_, err = matrix(root, "store")
	require.ErrorContains(t, err, `no conformance report of suite "store"`)
	root = write(t, map[string]string{"testdata/conformance-z.json": report("z", "true", "failed")})
	_, err = matrix(root, "rollout")
	require.ErrorContains(t, err, "does not conform")
}

func TestFaults(t *testing.T) {
	root := write(t, map[string]string{
		"p.go":      code,
		"twice.go":  "// region a\nx\n// endregion\n// region a\n",
		"nested.go": "// region a\n// region b\n",
	})
	for page, want := range map[string]string{
		"<!-- begin:snippet p.go#none -->\nkept\n<!-- end -->\n":                      `line 1: p.go: there is no code in a region called "none"`,
		"<!-- begin:snippet p.go#empty -->\n<!-- end -->\n":                           `there is no code in a region called "empty"`,
		"<!-- begin:snippet p.go#open -->\n<!-- end -->\n":                            "region open has no end",
		"<!-- begin:snippet twice.go#a -->\n<!-- end -->\n":                           "there are two regions called a",
		"<!-- begin:snippet nested.go#a -->\n<!-- end -->\n":                          "region a has no end",
		"<!-- begin:snippet gone.go -->\n<!-- end -->\n":                              "no such file",
		"<!-- begin:chart bars -->\n<!-- end -->\n":                                   `no block is called "chart"`,
		"\n<!-- begin:snippet p.go -->\n":                                             "line 2: no <!-- end --> follows this block",
		"<!-- begin:snippet p.go -->\n<!-- begin:snippet gone.go -->\n<!-- end -->\n": "line 1: no <!-- end --> follows this block",
	} {
		t.Run(want, func(t *testing.T) {
			got, faults := render(root, page)
			require.NotEmpty(t, faults)
			require.Contains(t, faults[0], want)
			require.Equal(t, page, got, "a block with a fault stays as it is")
		})
	}
}

func TestUpdate(t *testing.T) {
	root := write(t, map[string]string{
		"p.go":         code,
		"README.md":    "[code](p.go), [web](https://example.com), [here](#x)\n<!-- begin:snippet p.go#small -->\n<!-- end -->\n",
		"docs/page.md": "[code](gone.md#x)\n",
		"out/left.md":  "[gone](gone)",
	})
	changed, faults, err := update(root)
	require.NoError(t, err)
	require.Len(t, changed, 1)
	require.Contains(t, changed[filepath.Join(root, "README.md")], "if a {")
	require.Equal(t, []string{filepath.Join(root, "docs", "page.md") + ": the link to gone.md leads nowhere"}, faults)
}
