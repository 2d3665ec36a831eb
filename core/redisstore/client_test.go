package redisstore_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core/redisstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

func TestNewTakesClientsThatEndInTime(t *testing.T) {
	for name, client := range map[string]redis.UniversalClient{
		"none":     nil,
		"single":   redis.NewClient(&redis.Options{}),
		"cluster":  redis.NewClusterClient(&redis.ClusterOptions{}),
		"sentinel": redis.NewFailoverClient(&redis.FailoverOptions{}),
		"ring":     redis.NewRing(&redis.RingOptions{}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := redisstore.New(client, nil)
			if client == nil {
				require.Error(t, err)
				return
			}
			defer client.Close()
			require.ErrorContains(t, err, "set ContextTimeoutEnabled: true")
			wrapped := newStore(t, struct{ redis.UniversalClient }{client}, quiet()) // which the program answers for
			require.NoError(t, wrapped.Close())
		})
	}
}

func TestNewClient(t *testing.T) {
	for url, kind := range map[string]redis.UniversalClient{
		"redis://127.0.0.1:7/2":                                         &redis.Client{},
		"unix:///tmp/none.sock":                                         &redis.Client{},
		"redis://127.0.0.1:7?cluster=true":                              &redis.ClusterClient{},
		"redis://127.0.0.1:7?addr=127.0.0.1:8":                          &redis.ClusterClient{},
		"redis://127.0.0.1:7?master_name=main&addr=127.0.0.1:8":         &redis.Client{},
		"rediss://user:pass@127.0.0.1:7?pool_size=3&cluster=false&db=1": &redis.Client{},
	} {
		t.Run(url, func(t *testing.T) {
			client, err := redisstore.NewClient(url)
			require.NoError(t, err)
			require.IsType(t, kind, client)
			newStore(t, client, quiet())
		})
	}
	for _, url := range []string{"", "localhost:6379", "http://localhost", "redis://u:secret@h:x", "redis://h?cluster=maybe", "redis://u:secret@h?nonsense=1"} {
		t.Run(url, func(t *testing.T) {
			_, err := redisstore.NewClient(url)
			require.ErrorContains(t, err, "redisstore: ")
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestCheck(t *testing.T) {
	t.Run("unfit server", func(t *testing.T) {
		server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru", "--hash-max-listpack-entries", "128")
		store := newStore(t, newClient(server.Addr), quiet())
		found, err := store.Check(ctx)
		require.NoError(t, err)
		require.Len(t, found, 2)
		require.Contains(t, found[0], "noeviction")
		require.Contains(t, found[1], "hash-max-listpack-entries")
		server.Kill()
		_, err = store.Check(ctx)
		require.Error(t, err)
	})
	t.Run("fit server", func(t *testing.T) {
		store, _ := startStore(t, quiet())
		found, err := store.Check(ctx)
		require.NoError(t, err)
		require.Empty(t, found)
	})
	t.Run("ring", func(t *testing.T) {
		store := newStore(t, redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true}), quiet())
		found, err := store.Check(ctx)
		require.NoError(t, err)
		require.Len(t, found, 1)
	})
}
