package redisstore

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/redis/go-redis/v9"
)

// A bridge is the innermost hook of a single-node client. It sends the commands
// of stores, and no others, on through a copy of the client that shares its
// connections and looks at deadlines. Without it a stock client would wait five
// seconds for a server that is silent, and hold a connection of the program's
// pool for as long; with a copy alone the program's own hooks, for tracing say,
// would see nothing.
//
// Hooks that are added later come to stand inside of it. go-redis then builds
// the chain anew, which is how a bridge learns that it is not innermost any
// more: it lets everything pass, and the next command of a store adds another.
type bridge struct{ built atomic.Int32 }

var _ redis.Hook = (*bridge)(nil)

func (b *bridge) innermost() bool { return b.built.Load() == 1 }

// DialHook leaves dialing alone.
func (b *bridge) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook is called once for each time that the chain is built.
func (b *bridge) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	b.built.Add(1)
	return func(ctx context.Context, cmd redis.Cmder) error {
		if c, ok := ctx.Value(callKey{}).(*call); ok && c.through != nil && b.innermost() {
			return c.through.Process(ctx, cmd)
		}
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook does the same for pipelines. MULTI never carries a call.
func (b *bridge) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c, ok := ctx.Value(callKey{}).(*call)
		if !ok || c.through == nil || !b.innermost() {
			return next(ctx, cmds)
		}
		pipe := c.through.Pipeline()
		for _, cmd := range cmds {
			_ = pipe.Process(ctx, cmd)
		}
		_, err := pipe.Exec(ctx)
		return err
	}
}

// A bridgehead is what stores on one client share.
type bridgehead struct {
	mu  sync.Mutex
	now atomic.Pointer[bridge]
}

// bridgeheads has that of every client that a store was made on, by weak
// pointer, so that it keeps no client alive.
var bridgeheads sync.Map

func bridgeheadOf(c *redis.Client) *bridgehead {
	key := weak.Make(c)
	head, known := bridgeheads.LoadOrStore(key, &bridgehead{})
	if !known {
		runtime.AddCleanup(c, func(key weak.Pointer[redis.Client]) { bridgeheads.Delete(key) }, key)
	}
	return head.(*bridgehead)
}

// ready makes sure that the innermost hook of c is a bridge.
func (h *bridgehead) ready(c *redis.Client) {
	if b := h.now.Load(); b != nil && b.innermost() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if b := h.now.Load(); b != nil && b.innermost() {
		return
	}
	b := &bridge{}
	c.AddHook(b)
	h.now.Store(b)
}

// bounded returns a client on the connections of c whose commands end with
// their ctx or within the budget.
func bounded(c *redis.Client, budget time.Duration) *redis.Client {
	clone := c.WithTimeout(budget)
	o := clone.Options() // the copy's own
	o.ContextTimeoutEnabled = true
	o.MaxRetries = min(o.MaxRetries, 1) // for a connection that the server closed while it was idle
	return clone
}

// boundable reports whether the commands of a bounded client end in time without
// anybody to leave them behind: what the program itself put into the way of a
// connection may take any time.
func boundable(o *redis.Options) bool {
	return o.OnConnect == nil && o.Limiter == nil && o.CredentialsProvider == nil &&
		o.CredentialsProviderContext == nil && o.StreamingCredentialsProvider == nil
}
