package unleashtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/rolloutkit/rolloutkit/internal/realserver"
)

// A database is a PostgreSQL server of its own, in a temporary directory.
type database struct {
	dir     string
	port    int
	process *realserver.Process
}

// startDatabase makes and starts one.
func startDatabase() (*database, error) {
	initdb, err := postgresProgram("initdb")
	if err != nil {
		return nil, err
	}
	server, err := postgresProgram("postgres")
	if err != nil {
		return nil, err
	}
	d := &database{}
	if d.dir, err = os.MkdirTemp("", "rolloutkit-postgres-"); err != nil {
		return nil, err
	}
	if err := d.start(initdb, server); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

func (d *database) start(initdb, server string) error {
	user, err := unprivileged(d.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(d.dir, "data")
	cmd := exec.Command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = d.dir, user()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, tail(out))
	}
	if d.port, err = realserver.FreePort(); err != nil {
		return err
	}
	// The data outlive no test, so nothing is synced.
	cmd = exec.Command(server, "-D", data, "-p", strconv.Itoa(d.port), "-k", d.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	cmd.Dir, cmd.SysProcAttr = d.dir, user()
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if d.process, err = realserver.Start(cmd); err != nil {
		return err
	}
	ready, err := postgresProgram("pg_isready")
	if err != nil {
		return err
	}
	err = d.process.WaitUntil(startTimeout, func() error {
		return exec.Command(ready, "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(d.port)).Run()
	})
	if err != nil {
		return withLog(err, log.Name())
	}
	return nil
}

// url returns the address of the database in which Unleash keeps its tables.
func (d *database) url() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", d.port)
}

func (d *database) stop() {
	if d.process != nil {
		_ = d.process.Signal(os.Interrupt) // "fast": does not wait for connections
		d.process.Stop()
	}
	_ = os.RemoveAll(d.dir)
}

// postgresProgram returns the path of one of PostgreSQL's programs. Debian keeps
// them out of the path, by version.
func postgresProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(paths) == 0 {
		return "", errors.New("PostgreSQL is not installed: no program called " + name)
	}
	slices.Sort(paths)
	return paths[len(paths)-1], nil
}

// unprivileged returns how to start a program as a user that is not root, whom
// PostgreSQL refuses, and gives that user the directory.
func unprivileged(dir string) (func() *syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return func() *syscall.SysProcAttr { return nil }, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return nil, err
		}
		return func() *syscall.SysProcAttr { return runAs(uid, gid) }, os.Chown(dir, uid, gid)
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

// withLog adds the end of a log to an error.
func withLog(err error, path string) error {
	log, _ := os.ReadFile(path)
	return fmt.Errorf("%w\n%s", err, tail(log))
}

// startTimeout is far longer than any server here takes to start.
const startTimeout = 2 * time.Minute
