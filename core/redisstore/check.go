package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const minMajor, minMinor = 6, 2 // the oldest Redis that this package is tested on

// Check asks the server, in a cluster every master, whether it is fit to keep
// assignments, and returns one sentence for each thing to change: a
// maxmemory-policy that evicts, a version before 6.2, limits at which the hashes
// stop being compact, and a client that reads from replicas. An error means
// that it could not be found out.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	var found []string
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	switch c := s.client.(type) {
	case *redis.Ring:
		return []string{"a redis.Ring moves keys while a node is down, so that assignments seem to be absent; use a cluster or Sentinel"}, nil
	case *redis.ClusterClient:
		if o := c.Options(); o.ReadOnly || o.RouteByLatency || o.RouteRandomly {
			found = append(found, "the client reads from replicas, which lag behind: a new assignment can seem to be absent; turn ReadOnly, RouteByLatency and RouteRandomly off")
		}
		var mu sync.Mutex
		err := c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			more, err := checkNode(ctx, node)
			mu.Lock()
			found = append(found, more...)
			mu.Unlock()
			return err
		})
		slices.Sort(found)
		return slices.Compact(found), err
	}
	return checkNode(ctx, s.client)
}

// checkNode checks one server.
func checkNode(ctx context.Context, node redis.Cmdable) ([]string, error) {
	info := node.InfoMap(ctx)
	if err := info.Err(); err != nil {
		return nil, fmt.Errorf("redisstore: check: %w", err)
	}
	var found []string
	if v := info.Item("Server", "redis_version"); tooOld(v) {
		found = append(found, fmt.Sprintf("the server is Redis %s; %d.%d is the oldest that is tested: upgrade it", v, minMajor, minMinor))
	}
	if p := info.Item("Memory", "maxmemory_policy"); p != "" && p != "noeviction" {
		found = append(found, fmt.Sprintf("maxmemory-policy is %s, which drops assignments when memory is full: set it to noeviction, or give assignments a server of their own", p))
	}
	// Compact hashes need the defaults of Redis. Managed servers may not tell; then
	// there is nothing to say either.
	limits, err := node.ConfigGet(ctx, "hash-max-*").Result()
	if err != nil {
		return found, nil
	}
	for _, want := range []struct {
		name  string
		least int
	}{{"entries", 512}, {"value", maxHead}} {
		for _, kind := range []string{"listpack", "ziplist"} { // their name until 7.0
			name := "hash-max-" + kind + "-" + want.name
			if n, err := strconv.Atoi(limits[name]); err == nil {
				if n < want.least {
					found = append(found, fmt.Sprintf("%s is %d: set it to at least %d, or assignments take about four times the memory", name, n, want.least))
				}
				break
			}
		}
	}
	return found, nil
}

// checkAtStart logs what Check finds. While the server is not there it tries
// again.
func (s *Store) checkAtStart(ctx context.Context) {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		var found []string
		err := safely(func() (err error) {
			found, err = s.Check(ctx)
			return err
		})
		if ctx.Err() != nil {
			return
		}
		var reply redis.Error
		if errors.As(err, &reply) && faultOf(err) == noFault {
			found, err = []string{"the start-up check may not look: " + reply.Error()}, nil
		}
		if err == nil {
			for _, what := range found {
				s.opts.Logger.Warn("redisstore: " + what)
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func tooOld(version string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n < 2 {
		return false // a server that counts otherwise
	}
	return major < minMajor || major == minMajor && minor < minMinor
}
