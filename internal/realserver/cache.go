package realserver

import (
	"os"
	"path/filepath"
)

// CacheDir returns the directory that keeps built and installed servers for
// later runs: the one that ROLLOUTKIT_CACHE names, or "rolloutkit" in the
// user's cache directory. It need not exist.
func CacheDir() (string, error) {
	if dir := os.Getenv("ROLLOUTKIT_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "rolloutkit"), nil
}
