//go:build !linux

package redistest

import "syscall"

// process leaves everything to the cleanup of tests.
func process() *syscall.SysProcAttr { return nil }
