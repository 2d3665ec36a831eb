package structure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	mayPanic = map[string]string{ // with the reasons
		"conformance/watchdog.go: abortf": "ends a check; the watchdog recovers it",
	}
	vague  = regexp.MustCompile(`^(utils?|helpers?|common|misc)(_test)?\.go$`)
	getter = regexp.MustCompile(`^Get([A-Z]|$)`)
)

// sources calls visit with each Go file of the repository, nested modules
// included. Test data and what others wrote are left out.
func sources(t *testing.T, visit func(path, text string)) {
	skip := []string{"node_modules", "testdata", "out", "bin"}
	count := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains(skip, d.Name())) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		count++
		short, err := filepath.Rel(root, path)
		visit(filepath.ToSlash(short), string(text))
		return err
	})
	require.NoError(t, err)
	require.NotZero(t, count)
}

func TestFilesAreNamedAfterWhatTheyHold(t *testing.T) {
	sources(t, func(path, _ string) {
		if vague.MatchString(filepath.Base(path)) {
			t.Errorf("%s: a file is named after the one concept it holds", path)
		}
	})
}

// Tests and programs may do otherwise.
func TestOnlyMustPanicsAndNothingIsCalledGet(t *testing.T) {
	sources(t, func(path, text string) {
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		if strings.HasSuffix(path, "_test.go") || file.Name.Name == "main" {
			return
		}
		for _, decl := range file.Decls {
			name := ""
			if f, is := decl.(*ast.FuncDecl); is {
				name = f.Name.Name
				// Methods may have to be called so, for the sake of others' interfaces.
				if f.Recv == nil && getter.MatchString(name) {
					t.Errorf("%s: %s is named without the Get", path, name)
				}
			}
			place := path + ": " + name
			if panics(decl) && mayPanic[place] == "" && !strings.HasPrefix(strings.ToLower(name), "must") {
				t.Errorf("%s panics; only functions called Must... may", place)
			}
		}
	})
}

// panics reports whether there is a call of panic in decl.
func panics(decl ast.Decl) bool {
	found := false
	ast.Inspect(decl, func(n ast.Node) bool {
		if call, is := n.(*ast.CallExpr); is {
			if f, is := call.Fun.(*ast.Ident); is && f.Name == "panic" {
				found = true
			}
		}
		return !found
	})
	return found
}

// Every provider exports the same two names, and says at compile time that it is
// a rollout.
func TestProvidersAreAlike(t *testing.T) {
	providers := map[string]string{} // their sources
	sources(t, func(path, text string) {
		dir, provider := filepath.Split(filepath.Dir(path))
		if dir == "providers/" && !strings.HasSuffix(path, "_test.go") {
			providers[provider] += text
		}
	})
	require.Contains(t, providers, "percent")
	for provider, text := range providers {
		for _, line := range []string{`func New\(`, `type Rollout `, `(var)?\s+_ core\.Rollout\s+= \(\*Rollout\)`} {
			if !regexp.MustCompile(`(?m)^` + line).MatchString(text) {
				t.Errorf("provider %s has no line that begins with %s", provider, line)
			}
		}
	}
}
