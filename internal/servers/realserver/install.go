package realserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Install returns the directory of that name in the cache, which keeps servers
// for later runs: the one that ROLLOUTKIT_CACHE names, or "rolloutkit" in the
// user's cache directory. Where it isn't there, fill fills a directory beside,
// which is then moved into its place, so that what an interruption leaves is
// never taken for complete. One process fills it and others wait.
func Install(name string, fill func(dir string) error) (string, error) {
	cache := os.Getenv("ROLLOUTKIT_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(user, "rolloutkit")
	}
	dir, err := filepath.Abs(filepath.Join(cache, name))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	fmt.Fprintf(os.Stderr, "installing %s, once per machine\n", name)
	half, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(half)
	if err := fill(half); err != nil {
		return "", fmt.Errorf("installing %s: %w", name, err)
	}
	return dir, os.Rename(half, dir)
}

// Build returns the path of a Go program, which it builds when a machine first
// asks for it: that takes minutes and the network. It is built in a module of its
// own, so that none of the project's knows what it needs. name has the version,
// pkg is the program's package, and lines are those of the go.mod that say which
// modules it takes. more are files for modules that are replaced.
func Build(ctx context.Context, name, pkg, lines string, more map[string]string) (string, error) {
	dir, err := Install("programs/"+name, func(dir string) error {
		if err := WriteFiles(dir, map[string]string{
			"go.mod":   "module program\n\ngo 1.26.0\n\n" + lines + "\n",
			"needs.go": "//go:build never\n\npackage program\n\nimport _ \"" + pkg + "\"\n",
		}); err != nil {
			return err
		}
		if err := WriteFiles(dir, more); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", "program", pkg)
		cmd.Dir = dir
		// -mod=mod fills go.sum; the checksum database is asked as always.
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "CGO_ENABLED=0")
		return Run(cmd)
	})
	return filepath.Join(dir, "program"), err
}

// WriteFiles writes files by their paths below dir.
func WriteFiles(dir string, files map[string]string) error {
	for path, text := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Run runs cmd. The error has the end of its output.
func Run(cmd *exec.Cmd) error {
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd.Path, err, out.text)
	}
	return nil
}

// A tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-2000):]
	return len(p), nil
}
