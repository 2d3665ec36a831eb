package redistest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Proxy stands between a client and a server and does to the connection what
// networks do. It is for one test and for many goroutines.
type Proxy struct {
	Addr string // where clients connect

	target   string
	listener net.Listener
	mode     atomic.Int32
	trips    atomic.Int64
	running  sync.WaitGroup

	mu    sync.Mutex
	links map[*link]bool
}

const (
	passes   = iota
	swallows // what is sent meanwhile is lost
	hangsUp  // connections are reset, old and new
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
	require.NoError(t, err)
	p := &Proxy{Addr: l.Addr().String(), target: target, listener: l, links: map[*link]bool{}}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.Reset()
		p.running.Wait()
	})
	return p
}

// Pass lets everything through.
func (p *Proxy) Pass() { p.mode.Store(passes) }

// BlackHole accepts connections and loses whatever is sent.
func (p *Proxy) BlackHole() { p.mode.Store(swallows) }

// Reset resets all connections, and new ones until Pass.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode.Store(hangsUp)
	for l := range p.links {
		l.reset()
	}
}

// RoundTrips returns how many times a client sent something and had to wait for
// an answer, over all connections. A pipeline counts once.
func (p *Proxy) RoundTrips() int64 { return p.trips.Load() }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		l := &link{client: client, server: server}
		p.mu.Lock()
		if err != nil || p.mode.Load() == hangsUp {
			l.reset()
		} else {
			p.links[l] = true
			p.running.Go(func() { p.copy(l, client, server, true) })
			p.running.Go(func() { p.copy(l, server, client, false) })
		}
		p.mu.Unlock()
	}
}

// copy passes on what comes, as the mode at that time says.
func (p *Proxy) copy(l *link, from, to net.Conn, asks bool) {
	defer func() {
		_ = from.Close()
		_ = to.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !l.asking.Swap(asks) && asks {
			p.trips.Add(1)
		}
		if err == nil && p.mode.Load() == passes {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			return
		}
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
