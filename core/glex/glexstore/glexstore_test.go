package glexstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/glex/glexstore"
	"github.com/rolloutkit/rolloutkit/internal/servers/redistest"
)

var ctx = context.Background()

// patient is a timeout for a machine that runs other tests too.
var patient = &glexstore.Options{Timeout: 5 * time.Second}

func connect(t *testing.T, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func newStore(t *testing.T) (*glexstore.Store, *redis.Client) {
	t.Helper()
	c := connect(t, redistest.Start(t).Addr)
	s, err := glexstore.New(c, patient)
	require.NoError(t, err)
	return s, c
}

func TestNewNeedsAClientThatKeepsDeadlines(t *testing.T) {
	ring := redis.NewRing(&redis.RingOptions{})
	for why, c := range map[string]redis.UniversalClient{
		"no client":                                nil,
		"set ContextTimeoutEnabled":                redis.NewClient(&redis.Options{}),
		"set ContextTimeoutEnabled in the options": redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"localhost:1"}}),
		"moves keys while a node is down":          ring,
	} {
		t.Run(why, func(t *testing.T) {
			_, err := glexstore.New(c, nil)
			require.ErrorContains(t, err, why)
			if c != nil {
				require.NoError(t, c.Close())
			}
		})
	}
}

// What the gem was seen to leave in Redis is what the store leaves there.
func TestLayoutIsTheGems(t *testing.T) {
	var recorded struct {
		Cases []struct {
			Title string
			After map[string]struct {
				Type  string
				Value any
			}
		}
	}
	raw, err := os.ReadFile("testdata/redis.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &recorded))
	store, client := newStore(t)
	hashes := 0
	for _, c := range recorded.Cases {
		t.Run(c.Title, func(t *testing.T) {
			for key, after := range c.After {
				if after.Type != "hash" {
					continue
				}
				hashes++
				experiment, counts := strings.CutSuffix(key, "_attrs")
				want := map[string]string{}
				for field, v := range after.Value.(map[string]any) {
					value := v.(string)
					n, err := strconv.ParseInt(value, 10, 64)
					switch {
					case value == "" || counts && err != nil: // which the store does not write
						continue
					case counts:
						got, err := store.Increment(ctx, experiment, field, n)
						require.NoError(t, err)
						require.Equal(t, n, got)
					default:
						require.NoError(t, store.Save(ctx, experiment, field, core.Entry{Variant: value, Origin: core.SourceManual}))
						require.Equal(t, core.Lookup{Experiment: experiment, Key: field, Entry: core.Entry{Variant: value}}, load(t, store, experiment, field))
						require.NoError(t, store.Delete(ctx, experiment, field, "absent"))
						current, won, err := store.Claim(ctx, experiment, field, core.Entry{}, core.Entry{Variant: value})
						require.NoError(t, err)
						require.True(t, won)
						require.Equal(t, core.Entry{Variant: value}, current)
					}
					want[field] = value
				}
				require.Equal(t, want, client.HGetAll(ctx, key).Val())
				if len(want) > 0 {
					require.EqualValues(t, -1, client.TTL(ctx, key).Val(), "it never expires")
				}
				require.NoError(t, store.Clear(ctx, experiment))
				require.Zero(t, client.Exists(ctx, key).Val())
			}
		})
	}
	require.NotZero(t, hashes)
	require.Zero(t, client.DBSize(ctx).Val(), "nothing else is left")
}

func load(t *testing.T, s core.Store, experiment, key string) core.Lookup {
	t.Helper()
	l := []core.Lookup{{Experiment: experiment, Key: key}}
	require.NoError(t, s.Load(ctx, l))
	return l[0]
}

func TestClaimComparesVariantsAlone(t *testing.T) {
	store, _ := newStore(t)
	require.NoError(t, store.Save(ctx, "e", "k", core.Entry{Variant: "red", Origin: core.SourceResolved}))
	blue := core.Entry{Variant: "blue", Origin: core.SourceManual}
	current, won, err := store.Claim(ctx, "e", "k", core.Entry{Variant: "red", Origin: core.SourceForced}, blue)
	require.NoError(t, err)
	require.True(t, won)
	require.Equal(t, blue, current)
}

func TestEntryWithoutVariantIsNotStored(t *testing.T) {
	store, client := newStore(t)
	_, _, err := store.Claim(ctx, "e", "k", core.Entry{}, core.Entry{Origin: core.SourceManual})
	require.ErrorContains(t, err, "without a variant")
	require.ErrorContains(t, store.Save(ctx, "e", "k", core.Entry{}), "without a variant")
	require.Zero(t, client.DBSize(ctx).Val())
}

func TestWhatCanNotBeReadIsLeftAsItIs(t *testing.T) {
	store, client := newStore(t)
	require.NoError(t, store.Save(ctx, "e", "good", core.Entry{Variant: "red"}))
	for name, garbage := range map[string]string{"empty": "", "control characters": "a\x00b", "no UTF-8": "\xff", "long": strings.Repeat("x", 300)} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, client.HSet(ctx, "e", "k", garbage).Err())
			lookups := []core.Lookup{{Experiment: "e", Key: "k"}, {Experiment: "e", Key: "good"}}
			require.NoError(t, store.Load(ctx, lookups))
			require.ErrorIs(t, lookups[0].Err, glexstore.ErrUnreadable)
			require.Zero(t, lookups[0].Entry)
			require.Equal(t, core.Entry{Variant: "red"}, lookups[1].Entry, "the others are answered")
			_, won, err := store.Claim(ctx, "e", "k", core.Entry{}, core.Entry{Variant: "red"})
			require.ErrorIs(t, err, glexstore.ErrUnreadable)
			require.False(t, won)
			require.Equal(t, garbage, client.HGet(ctx, "e", "k").Val())
		})
	}
	t.Run("a key that is no hash", func(t *testing.T) {
		require.NoError(t, client.Set(ctx, "text", "x", 0).Err())
		require.NoError(t, client.Set(ctx, "e_attrs", "x", 0).Err())
		require.ErrorIs(t, load(t, store, "text", "k").Err, glexstore.ErrUnreadable)
		_, _, err := store.Claim(ctx, "text", "k", core.Entry{}, core.Entry{Variant: "red"})
		require.ErrorIs(t, err, glexstore.ErrUnreadable)
		_, err = store.Increment(ctx, "e", "n", 1)
		require.ErrorIs(t, err, glexstore.ErrUnreadable)
		require.ErrorIs(t, store.Clear(ctx, "text"), glexstore.ErrUnreadable)
		require.ErrorIs(t, store.Clear(ctx, "e"), glexstore.ErrUnreadable, "as the gem refuses")
		require.EqualValues(t, 3, client.DBSize(ctx).Val())
	})
}

// trips counts the round trips of a client, apart from those of new connections.
type trips struct{ n atomic.Int64 }

func (h *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.count(cmd)
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.count(cmds[0])
		return next(ctx, cmds)
	}
}

func (h *trips) count(first redis.Cmder) {
	if name := first.Name(); name != "hello" && name != "client" {
		h.n.Add(1)
	}
}

func TestOperationsTakeOneTrip(t *testing.T) {
	store, client := newStore(t)
	_, _, err := store.Claim(ctx, "e", "k", core.Entry{}, core.Entry{Variant: "red"})
	require.NoError(t, err, "which also teaches Redis the script")
	counting := &trips{}
	client.AddHook(counting)
	for name, operation := range map[string]func() error{
		"Load": func() error {
			lookups := make([]core.Lookup, 20)
			for i := range lookups {
				lookups[i] = core.Lookup{Experiment: fmt.Sprint("e", i%3), Key: fmt.Sprint(i)}
			}
			return store.Load(ctx, lookups)
		},
		"Claim": func() error {
			_, _, err := store.Claim(ctx, "e", "other", core.Entry{}, core.Entry{Variant: "red"})
			return err
		},
		"Save":   func() error { return store.Save(ctx, "e", "k", core.Entry{Variant: "blue"}) },
		"Delete": func() error { return store.Delete(ctx, "e", "k", "other") },
	} {
		t.Run(name, func(t *testing.T) {
			counting.n.Store(0)
			require.NoError(t, operation())
			require.EqualValues(t, 1, counting.n.Load())
		})
	}
	counting.n.Store(0)
	require.NoError(t, store.Load(ctx, nil))
	require.NoError(t, store.Delete(ctx, "e"))
	require.Zero(t, counting.n.Load(), "nothing to do takes none")
}
