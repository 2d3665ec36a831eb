package realserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// A Process is a server that a test started.
type Process struct {
	cmd  *exec.Cmd
	log  tail          // of its output; read after done
	done chan struct{} // closed when the process has ended
	err  error         // what Wait returned; read after done
}

// Start runs cmd, and keeps the end of its output if cmd says nothing else. On
// Linux the process is killed when the test binary dies, be it by Ctrl-C, so
// that nothing stays behind. The caller still calls Stop.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	if cmd.Stdout == nil && cmd.Stderr == nil {
		cmd.Stdout, cmd.Stderr = &p.log, &p.log
	}
	cmd.WaitDelay = 5 * time.Second // for processes of its own that hold the output open
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

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends sig.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill ends the process at once, paused or not, and returns when it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails if it has ended
	<-p.done
}

// Stop asks the process to end, paused or not, kills it if it is still there
// five seconds later, and returns when it is gone. Stopping twice is harmless.
func (p *Process) Stop() {
	p.askToEnd()
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.Kill()
	}
}

// WaitUntil calls ready every 20 ms until it returns nil, and returns nil. It
// stops the process and returns the last error, with the end of the output, when
// the process ends or after within.
func (p *Process) WaitUntil(within time.Duration, ready func() error) error {
	deadline := time.After(within)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w\n%s", p.cmd.Path, errors.Join(p.err, err), p.log.text)
		case <-deadline:
			p.Stop()
			return fmt.Errorf("%s is not ready after %v: %w\n%s", p.cmd.Path, within, err, p.log.text)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// The ports that FreePort chooses from. The kernel hands out neither these nor
// those above, to listeners that leave the port open or to clients: its own
// begin at 32768.
const (
	firstPort, lastPort = 12_000, 21_999
	above               = 10_000
)

// FreePort returns a TCP port that was free on 127.0.0.1 a moment ago, as was the
// one 10,000 above it, which a Redis cluster takes too. Only who asks for that
// port, such as another caller of FreePort, can take it before the server does,
// or while the server is restarted.
func FreePort() (int, error) {
	var last error
	for range 100 {
		port := firstPort + rand.N(lastPort-firstPort+1)
		if last = errors.Join(bind(port), bind(port+above)); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port: %w", last)
}

func bind(port int) error {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return err
	}
	return l.Close()
}
