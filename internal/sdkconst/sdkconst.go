// Package sdkconst reads constants from the source of a vendor's SDK, so that
// tests see which ones a newer version has.
package sdkconst

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Values returns the values of a package's text constants of the given types, as
// this module builds with it.
func Values(t testing.TB, pkg string, types ...string) []string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.go"))
	require.NoError(t, err)
	found := map[string][]string{}
	for _, file := range files {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(source, func(n ast.Node) bool {
			spec, is := n.(*ast.ValueSpec)
			if !is {
				return true
			}
			if typ, is := spec.Type.(*ast.Ident); is {
				for _, value := range spec.Values {
					if literal, is := value.(*ast.BasicLit); is && literal.Kind == token.STRING {
						text, err := strconv.Unquote(literal.Value)
						require.NoError(t, err)
						found[typ.Name] = append(found[typ.Name], text)
					}
				}
			}
			return false
		})
	}
	var values []string
	for _, typ := range types {
		require.Greater(t, len(found[typ]), 1, "%s has no constants of type %s any more", pkg, typ)
		values = append(values, found[typ]...)
	}
	return values
}
