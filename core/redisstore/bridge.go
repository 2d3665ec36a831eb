package redisstore

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// A bridge is a hook on a single-node client. It sends the commands of one
// store, and no others, on through a copy of the client that shares its
// connections and looks at deadlines. Without it a stock client would wait five
// seconds for a server that is silent, and hold a connection of the program's
// pool for as long. With the copy alone the program's own hooks, for tracing say,
// would see nothing; as it is, those that were there before the store do.
type bridge struct{ to *redis.Client }

var _ redis.Hook = (*bridge)(nil)

// newBridge adds a bridge to c. Commands of its calls end with their ctx or
// within the budget.
func newBridge(c *redis.Client, budget time.Duration) *bridge {
	b := &bridge{to: bounded(c, budget)}
	c.AddHook(b)
	return b
}

// bounded returns a client on the connections of c, without its hooks, that
// looks at deadlines.
func bounded(c *redis.Client, budget time.Duration) *redis.Client {
	clone := c.WithTimeout(budget)
	o := clone.Options() // the clone's own copy
	o.ContextTimeoutEnabled = true
	o.MaxRetries = min(o.MaxRetries, 1) // for a connection that the server closed while it was idle
	return clone
}

// carries reports whether cmd is one that a call sends over b. What a connection
// says of its own accord, on the way, is not.
func (b *bridge) carries(ctx context.Context, cmd redis.Cmder) bool {
	c, ok := ctx.Value(callKey{}).(*call)
	return ok && c.bridge == b && c.sends(cmd)
}

// DialHook leaves dialing alone.
func (b *bridge) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook sends a call's command over the bridge.
func (b *bridge) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if b.carries(ctx, cmd) {
			return b.to.Process(ctx, cmd)
		}
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook does the same for pipelines.
func (b *bridge) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) == 0 || !b.carries(ctx, cmds[0]) {
			return next(ctx, cmds)
		}
		pipe := b.to.Pipeline()
		for _, cmd := range cmds {
			_ = pipe.Process(ctx, cmd)
		}
		_, err := pipe.Exec(ctx)
		return err
	}
}

// endsInTime reports whether the commands of a bounded client end by themselves:
// what the program put into the way of a connection may take any time.
func endsInTime(o *redis.Options) bool {
	return o.OnConnect == nil && o.Limiter == nil && o.CredentialsProvider == nil &&
		o.CredentialsProviderContext == nil && o.StreamingCredentialsProvider == nil
}
