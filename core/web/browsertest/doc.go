// Package browsertest has tests only: examples/web in a real browser, Debian's
// chromium. It is a module of its own, so that nobody else depends on what
// drives the browser. Screenshots go to out/screenshots at the top of the
// repository.
package browsertest
