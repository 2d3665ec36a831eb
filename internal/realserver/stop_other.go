//go:build !unix

package realserver

import "errors"

// Pause is not possible here.
func (p *Process) Pause() error { return errors.ErrUnsupported }

// Resume is not possible here.
func (p *Process) Resume() error { return errors.ErrUnsupported }

// askToEnd kills, since there is no way to ask.
func (p *Process) askToEnd() { _ = p.Kill() }
