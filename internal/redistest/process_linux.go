package redistest

import "syscall"

// process makes a server end with the test process, however that ends, and
// keeps the terminal's interrupt to the tests.
func process() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
