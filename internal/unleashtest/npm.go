package unleashtest

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/rolloutkit/rolloutkit/internal/realserver"
)

// What is installed, to the last byte: the lock file holds a hash of each
// package, and no address of any registry.
var (
	//go:embed npm/package.json
	packageJSON []byte
	//go:embed npm/package-lock.json
	packageLock []byte
)

// modules returns the directory node_modules with the server and the client
// specification. The first call of a machine installs them, which takes about
// half a minute.
func modules() (string, error) {
	dir, err := realserver.CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(packageLock)
	want := filepath.Join(dir, "unleash-"+hex.EncodeToString(sum[:6]))
	installed := filepath.Join(want, "node_modules")
	if _, err := os.Stat(installed); err == nil {
		return installed, nil
	}
	// It is installed beside and then moved, so that an installation which was
	// interrupted is never taken for a complete one, nor one under way in
	// another process.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(dir, "installing-unleash-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := install(tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, want); err != nil {
		if _, other := os.Stat(installed); other == nil {
			return installed, nil // another process was faster
		}
		return "", err
	}
	return installed, nil
}

func install(dir string) error {
	files := map[string][]byte{"package.json": packageJSON, "package-lock.json": packageLock}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm is not installed; unleash-server is an npm package")
	}
	fmt.Fprintln(os.Stderr, "unleashtest: installing unleash-server, once per machine")
	cmd := exec.Command(npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, tail(out))
	}
	return nil
}

// Specification returns the directory of the vendor's client specification: an
// index.json and the files that it lists.
func Specification() (string, error) {
	dir, err := modules()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "@unleash", "client-specification", "specifications"), nil
}

// tail returns the end of a program's output.
func tail(out []byte) []byte {
	const most = 2000
	return out[max(0, len(out)-most):]
}
