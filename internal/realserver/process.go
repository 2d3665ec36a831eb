package realserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// A Process is a server that a test started.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // what Wait returned; read after done
	stop sync.Once
}

// Start runs cmd. On Linux the process is killed when the test binary dies, be
// it by Ctrl-C, so that nothing stays behind. The caller still calls Stop.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	dieWithParent(cmd)
	started := make(chan error)
	go func() {
		// The kernel ties "die with the parent" to the thread that forked, so
		// that thread has to live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Pid returns the process id, for tests that pause or kill the server.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends sig.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill ends the process at once, paused or not. It is an error if it has ended.
func (p *Process) Kill() error { return p.cmd.Process.Kill() }

// Exited returns a channel that is closed when the process has ended, by
// itself or by Stop.
func (p *Process) Exited() <-chan struct{} { return p.done }

// Stop asks the process to end, paused or not, kills it if it is still there
// five seconds later, and returns when it is gone. Stopping twice is harmless.
func (p *Process) Stop() {
	p.stop.Do(func() {
		p.askToEnd()
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
			_ = p.Kill()
		}
	})
	<-p.done
}

// WaitUntil calls ready every 50 ms until it returns nil, and returns nil. It
// gives up with the last error when the process ends or after within.
func (p *Process) WaitUntil(within time.Duration, ready func() error) error {
	deadline := time.After(within)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w", p.cmd.Path, errors.Join(p.err, err))
		case <-deadline:
			return fmt.Errorf("%s is not ready after %v: %w", p.cmd.Path, within, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// The ports that FreePort chooses from. The kernel hands out none of them, to
// listeners that leave the port open or to clients: those of Linux begin at
// 32768.
const firstPort, lastPort = 12_000, 31_999

// FreePort returns a TCP port that was free on 127.0.0.1 a moment ago. Only
// who asks for that port, such as another caller of FreePort, can take it before
// the server does, or while the server is restarted.
func FreePort() (int, error) {
	var last error
	for range 100 {
		port := firstPort + rand.N(lastPort-firstPort+1)
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("no free port: %w", last)
}
