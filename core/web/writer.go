package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// A writer is the page as its handler writes it: the header is sealed before it
// is written. It has the optional methods that handlers look for; where the
// server's own writer lacks one, they return http.ErrNotSupported.
type writer page

var (
	_ http.ResponseWriter = (*writer)(nil)
	_ http.Flusher        = (*writer)(nil)
	_ http.Hijacker       = (*writer)(nil)
	_ io.ReaderFrom       = (*writer)(nil)
	_ io.StringWriter     = (*writer)(nil)
)

func (w *writer) seal() { (*page)(w).seal() }

// Header implements [http.ResponseWriter].
func (w *writer) Header() http.Header { return w.w.Header() }

// WriteHeader implements [http.ResponseWriter]. An informational response does
// not end the header.
func (w *writer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.seal()
	}
	w.w.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *writer) Write(b []byte) (int, error) {
	w.seal()
	return w.w.Write(b)
}

// WriteString implements [io.StringWriter].
func (w *writer) WriteString(s string) (int, error) {
	w.seal()
	return io.WriteString(w.w, s)
}

// ReadFrom implements [io.ReaderFrom], by which servers send files.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	w.seal()
	return io.Copy(w.w, r)
}

// Flush implements [http.Flusher].
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError is what [http.ResponseController] calls.
func (w *writer) FlushError() error {
	w.seal()
	return http.NewResponseController(w.w).Flush()
}

// Hijack implements [http.Hijacker]. The header is the hijacker's then.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.seal()
	return http.NewResponseController(w.w).Hijack()
}

// Unwrap gives [http.ResponseController] the server's own writer.
func (w *writer) Unwrap() http.ResponseWriter { return w.w }
