package glexstore_test

import (
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/conformance"
	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex/glexstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/realserver"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

func TestConformance(t *testing.T) {
	realserver.Require(t, "redis", nil)
	var clients sync.Map // of stores
	open := func(t *testing.T, addr string, o *glexstore.Options) core.Store {
		c := connect(t, addr)
		s, err := glexstore.New(c, o)
		require.NoError(t, err)
		clients.Store(s, c)
		return s
	}
	clientOf := func(s core.Store) *redis.Client {
		c, _ := clients.Load(s)
		return c.(*redis.Client)
	}
	conformance.RunStore(t, conformance.StoreHarness{
		Name:    "glexstore",
		New:     func(t *testing.T) core.Store { return open(t, redistest.Start(t).Addr, patient) },
		Address: func(_ *testing.T, s core.Store) string { return clientOf(s).Options().Addr },
		Join:    func(t *testing.T, addr string) core.Store { return open(t, addr, patient) },
		Corrupt: func(t *testing.T, s core.Store, experiment, key string) {
			require.NoError(t, clientOf(s).HSet(ctx, experiment, key, "\x00").Err())
		},
		Blocked: func(t *testing.T) core.Store {
			server := redistest.Start(t)
			server.Stop()
			return open(t, server.Addr, nil)
		},
		Down: func(t *testing.T) core.Store {
			server := redistest.Start(t)
			server.Kill()
			return open(t, server.Addr, nil)
		},
		Unsupported: map[core.Capability]string{
			conformance.WholeEntries:     "the gem keeps the variant's name and nothing else",
			conformance.Expires:          "the gem's hashes have no TTL",
			conformance.ConcurrentWrites: "every operation on an entry is one step in Redis",
		},
	})
}
