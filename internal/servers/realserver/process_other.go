//go:build !unix

package realserver

import (
	"errors"
	"os/exec"
)

// Pause is not possible here.
func (p *Process) Pause() error { return errors.ErrUnsupported }

// Resume is not possible here.
func (p *Process) Resume() error { return errors.ErrUnsupported }

// askToEnd kills, since there is no way to ask.
func (p *Process) askToEnd() { _ = p.cmd.Process.Kill() }

// Unprivileged does nothing: nobody is root here.
func Unprivileged(*exec.Cmd, string) error { return nil }

// lock does not lock: two processes may install the same.
func lock(string) (unlock func(), err error) { return func() {}, nil }
