// Package structure has tests only. They hold the repository as a whole to its
// promises: who depends on whom, what a user's module records, and how the source
// is laid out.
package structure

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root   = "../.."
	module = "github.com/rolloutkit/rolloutkit"
)

// Packages that whoever uses or extends the library can't avoid. They depend on
// the standard library and each other alone.
var standardOnly = []string{"core", "core/coretest", "core/glex", "core/memstore", "core/ops", "core/web",
	"core/web/forcetoken", "conformance", "internal/split", "internal/throttle"}

// dependencies returns for each package of the main module, by its path in the
// repository, the import paths of all it depends on, tests excluded.
func dependencies(t *testing.T) map[string][]string {
	out := goCommand(t, root, nil, "list", "-f", "{{.ImportPath}} {{join .Deps \" \"}}", "./...")
	deps := map[string][]string{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		deps[strings.TrimPrefix(fields[0], module+"/")] = fields[1:]
	}
	return deps
}

// goCommand runs the go command in dir and returns what it prints.
func goCommand(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), complaint.String())
	return string(out)
}

// foreign returns those of deps that are neither in the standard library nor
// among the packages of the repository that may says.
func foreign(deps []string, may func(pkg string) bool) []string {
	return slices.DeleteFunc(slices.Clone(deps), func(dep string) bool {
		first, _, _ := strings.Cut(dep, "/")
		pkg, ours := strings.CutPrefix(dep, module+"/")
		return !strings.Contains(first, ".") || ours && may(pkg)
	})
}

func TestStandardLibraryOnly(t *testing.T) {
	deps := dependencies(t)
	require.Contains(t, deps, "core")
	for _, pkg := range standardOnly {
		if _, exists := deps[pkg]; !exists {
			require.NoDirExists(t, filepath.Join(root, pkg))
			continue
		}
		mayImport := func(other string) bool { return slices.Contains(standardOnly, other) }
		require.Empty(t, foreign(deps[pkg], mayImport), "%s depends on more than the standard library", pkg)
	}
	internal := func(other string) bool { return strings.HasPrefix(other, "internal/") }
	require.Empty(t, foreign(deps["core"], internal), "core depends on other packages of ours")
	require.NotContains(t, deps["core"], "testing", "core depends on testing")
}

func TestProvidersAreIndependent(t *testing.T) {
	for pkg, deps := range dependencies(t) {
		provider, is := providerOf(pkg)
		if !is {
			continue
		}
		for _, dep := range deps {
			other, is := providerOf(strings.TrimPrefix(dep, module+"/"))
			require.False(t, is && other != provider, "%s depends on provider %s", pkg, other)
		}
	}
}

// providerOf returns the provider that a package is part of.
func providerOf(pkg string) (string, bool) {
	rest, is := strings.CutPrefix(pkg, "providers/")
	provider, _, _ := strings.Cut(rest, "/")
	return provider, is
}

// A user's module that imports the core and the percent rollouts records no
// other module in its go.mod and compiles none in. Its go.sum may list checksums
// for our tests, which is how go mod tidy works. Nothing is downloaded.
func TestUsersModuleStaysClean(t *testing.T) {
	checkout, err := filepath.Abs(root)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	write("go.mod", "module example.com/user\n\ngo 1.26.0\n\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+checkout+"\n")
	write("main.go", `package main

import (
	_ "`+module+`/core"
	_ "`+module+`/providers/percent"
)

func main() {}
`)
	env := []string{"GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off"}
	goCommand(t, dir, env, "mod", "tidy")
	goCommand(t, dir, env, "build", "-o", "user", ".")

	require.Equal(t, []string{module}, modules(goCommand(t, dir, env, "mod", "edit", "-print"), "require"))
	require.Equal(t, []string{module}, modules(goCommand(t, dir, env, "version", "-m", "user"), "dep"))
}

// modules returns what follows verb on all lines of text, the first word each.
// A block in parentheses yields the parenthesis.
func modules(text, verb string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == verb {
			found = append(found, fields[1])
		}
	}
	return found
}
