package redistest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Proxy stands between a client and a server and does to the connection what
// networks do. It is for one test and for many goroutines.
type Proxy struct {
	Addr string // where clients connect

	target   string
	listener net.Listener
	mu       sync.Mutex
	wake     chan struct{} // closed and replaced by each change of mode
	mode     proxyMode
	latency  time.Duration
	links    map[*link]bool
	trips    atomic.Int64
	running  sync.WaitGroup
	closed   bool
}

type proxyMode uint8

const (
	passes   proxyMode = iota
	holds              // nothing passes until it passes again
	swallows           // what is sent meanwhile is lost
	hangsUp            // connections are reset, old and new
)

// A link is one connection of a client and its counterpart to the server.
type link struct {
	client, server net.Conn
	asking         atomic.Bool // the client spoke last
}

// NewProxy starts a proxy to a server's address. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, listener: l,
		wake: make(chan struct{}), links: make(map[*link]bool)}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Pass lets everything through, at once.
func (p *Proxy) Pass() { p.set(passes, 0) }

// Latency delays each direction by d.
func (p *Proxy) Latency(d time.Duration) { p.set(passes, d) }

// Pause holds everything back until Pass, which delivers it.
func (p *Proxy) Pause() { p.set(holds, 0) }

// BlackHole accepts connections and loses whatever is sent.
func (p *Proxy) BlackHole() { p.set(swallows, 0) }

// Reset resets all connections, and new ones until Pass.
func (p *Proxy) Reset() {
	p.set(hangsUp, 0)
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// RoundTrips returns how many times a client sent something and had to wait for
// an answer, over all connections. A pipeline counts once.
func (p *Proxy) RoundTrips() int64 { return p.trips.Load() }

func (p *Proxy) set(mode proxyMode, latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode, p.latency = mode, latency
	close(p.wake)
	p.wake = make(chan struct{})
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for l := range p.links {
		l.reset()
	}
	close(p.wake)
	p.wake = make(chan struct{})
	p.mu.Unlock()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		l := &link{client: client, server: server}
		p.mu.Lock()
		if err != nil || p.closed || p.mode == hangsUp {
			p.mu.Unlock()
			l.reset()
			continue
		}
		p.links[l] = true
		p.mu.Unlock()
		p.running.Go(func() { p.copy(l, client, server, true) })
		p.running.Go(func() { p.copy(l, server, client, false) })
	}
}

// copy passes on what comes, as the mode at that time says.
func (p *Proxy) copy(l *link, from, to net.Conn, asks bool) {
	defer func() {
		_ = from.Close()
		_ = to.Close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if asks {
				if l.asking.CompareAndSwap(false, true) {
					p.trips.Add(1)
				}
			} else {
				l.asking.Store(false)
			}
			if p.let() {
				if _, err := to.Write(buf[:n]); err != nil {
					return
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// let waits as the mode demands and reports whether bytes pass.
func (p *Proxy) let() bool {
	for {
		p.mu.Lock()
		mode, latency, wake, closed := p.mode, p.latency, p.wake, p.closed
		p.mu.Unlock()
		switch {
		case closed:
			return false
		case mode == passes && latency > 0:
			time.Sleep(latency)
			return true
		case mode == passes:
			return true
		case mode == swallows || mode == hangsUp:
			return false
		}
		<-wake
	}
}

// reset closes both ends without the usual farewell.
func (l *link) reset() {
	for _, c := range []net.Conn{l.client, l.server} {
		if tcp, ok := c.(*net.TCPConn); ok && tcp != nil {
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		}
	}
}
