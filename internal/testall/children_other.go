//go:build !linux

package main

// adoptOrphans does nothing: only Linux can do it.
func adoptOrphans() {}

// endDescendants does nothing: tests end what they start, and only on Linux is
// there a second look.
func endDescendants() []string { return nil }
