//go:build !unix

package unleashtest

import "syscall"

// runAs changes nothing: nobody is root here.
func runAs(int, int) *syscall.SysProcAttr { return nil }
