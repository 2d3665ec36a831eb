package unleashtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
)

// startup is far longer than any server here takes to start.
const startup = 2 * time.Minute

// A database is a PostgreSQL server of its own, in a temporary directory.
type database struct {
	dir     string
	port    int
	process *realserver.Process
}

// startDatabase makes and starts one.
func startDatabase() (d *database, err error) {
	d = &database{}
	if d.dir, err = os.MkdirTemp("", "rolloutkit-postgres-"); err != nil {
		return nil, err
	}
	if err := d.start(); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

func (d *database) start() (err error) {
	data := filepath.Join(d.dir, "data")
	initdb, err := d.command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if err != nil {
		return err
	}
	if err := realserver.Run(initdb); err != nil {
		return err
	}
	if d.port, err = realserver.FreePort(); err != nil {
		return err
	}
	// The data outlive no test, so nothing is synced.
	postgres, err := d.command("postgres", "-D", data, "-p", strconv.Itoa(d.port), "-k", d.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	if err != nil {
		return err
	}
	if d.process, err = realserver.Start(postgres); err != nil {
		return err
	}
	return d.process.WaitUntil(startup, func() error {
		ready, err := d.command("pg_isready", "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(d.port))
		if err != nil {
			return err
		}
		return ready.Run()
	})
}

// command returns how to run one of PostgreSQL's programs, as somebody who is not
// root, whom it refuses. Debian keeps them out of the path, by version.
func (d *database) command(name string, args ...string) (*exec.Cmd, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
		if len(paths) == 0 {
			return nil, errors.New("PostgreSQL is not installed: no program called " + name)
		}
		path = slices.Max(paths)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = d.dir
	return cmd, realserver.Unprivileged(cmd, d.dir)
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
