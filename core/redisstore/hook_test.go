package redisstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
)

// answers is a hook that answers every command with an error, so that nothing
// is sent.
type answers struct{ err error }

func (answers) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h answers) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		cmd.SetErr(h.err)
		return h.err
	}
}

func (h answers) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			cmd.SetErr(h.err)
		}
		return h.err
	}
}

func hooked(t *testing.T, err error) *redisstore.Store {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", ContextTimeoutEnabled: true})
	client.AddHook(answers{err})
	store, err := redisstore.New(client, quiet())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()); require.NoError(t, client.Close()) })
	return store
}

func TestNoScriptOfACommandThatIsNone(t *testing.T) {
	store := hooked(t, errors.New("NOSCRIPT No matching script"))
	require.ErrorContains(t, store.Load(ctx, []core.Lookup{{Experiment: experiment, Key: key(1)}}), "NOSCRIPT")
	require.ErrorContains(t, store.Save(ctx, experiment, key(1), resolved("red")), "NOSCRIPT")
}

func TestACancelledCallerSaysWhy(t *testing.T) {
	store := hooked(t, errors.New("not asked"))
	gone := errors.New("the client went away")
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(gone)
	err := store.Load(ctx, []core.Lookup{{Experiment: experiment, Key: key(1)}})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, gone)
}
