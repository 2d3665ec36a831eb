//go:build !linux

package ldtest

import (
	"errors"
	"os/exec"
)

var errUnsupported = errors.New("it listens on all interfaces, and only Linux has network namespaces to keep it in")

func isolate(*exec.Cmd) {}
func loopbackUp() error { return errUnsupported }
