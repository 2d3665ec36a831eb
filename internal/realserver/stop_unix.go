//go:build unix

package realserver

import "syscall"

// Pause freezes the process: its connections stay open and nothing answers.
func (p *Process) Pause() error { return p.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// askToEnd asks the process to end, and wakes it should it be paused.
func (p *Process) askToEnd() {
	_ = p.Signal(syscall.SIGTERM)
	_ = p.Resume()
}
