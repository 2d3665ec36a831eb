// Package logbook keeps what loggers write, for tests.
package logbook

import (
	"bytes"
	"log/slog"
	"sync"
)

// A Book is an io.Writer that many goroutines may use. The zero Book is empty.
type Book struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Logger returns a logger that writes into b.
func (b *Book) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func (b *Book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns all that was written.
func (b *Book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
