package redisstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	minMajor, minMinor = 6, 2 // the oldest Redis that this package is tested on

	// What compact hashes need of Redis' configuration; its defaults.
	wantEntries = 512
	wantValue   = maxHead

	checkTimeout = time.Second
)

// Check asks the server, in a cluster every master, whether it is fit to keep
// assignments, and returns one sentence for each thing to change: a
// maxmemory-policy that evicts, a version before 6.2, limits at which the hashes
// stop being compact, and a client that reads from replicas. An error means
// that it could not be found out.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	var found []string
	switch c := s.client.(type) {
	case nil:
		return nil, errNoClient
	case *redis.Ring:
		return []string{"a redis.Ring moves keys while a node is down, so that assignments seem to be absent; use a cluster or Sentinel"}, nil
	case *redis.ClusterClient:
		if o := c.Options(); o.ReadOnly || o.RouteByLatency || o.RouteRandomly {
			found = append(found, "the client reads from replicas, which lag behind: a new assignment can seem to be absent; turn ReadOnly, RouteByLatency and RouteRandomly off")
		}
		var mu sync.Mutex
		err := c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			more, err := s.checkNode(ctx, bounded(node, checkTimeout))
			mu.Lock()
			found = append(found, more...)
			mu.Unlock()
			return err
		})
		slices.Sort(found)
		return slices.Compact(found), err
	case *redis.Client:
		return s.checkNode(ctx, bounded(c, checkTimeout))
	}
	return s.checkNode(ctx, s.client)
}

// checkNode checks one server.
func (s *Store) checkNode(ctx context.Context, node redis.Cmdable) ([]string, error) {
	info, err := node.Info(ctx, "server").Result()
	if err != nil {
		return nil, fmt.Errorf("redisstore: check: %w", err)
	}
	memory, err := node.Info(ctx, "memory").Result()
	if err != nil {
		return nil, fmt.Errorf("redisstore: check: %w", err)
	}
	var found []string
	facts := parseInfo(info + "\n" + memory)
	if v := facts["redis_version"]; tooOld(v) {
		found = append(found, fmt.Sprintf("the server is Redis %s; %d.%d is the oldest that is tested: upgrade it", v, minMajor, minMinor))
	}
	if p := facts["maxmemory_policy"]; p != "" && p != "noeviction" {
		found = append(found, fmt.Sprintf("maxmemory-policy is %s, which drops assignments when memory is full: set it to noeviction, or give assignments a server of their own", p))
	}
	if s.opts.Layout == GLEXLayout {
		return found, nil
	}
	// Managed servers may not tell; then there is nothing to say either.
	limits, err := node.ConfigGet(ctx, "hash-max-*").Result()
	if err != nil {
		return found, nil
	}
	for _, want := range []struct {
		name  string
		least int
	}{{"entries", wantEntries}, {"value", wantValue}} {
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
		found, err := s.checkSafely(ctx)
		if ctx.Err() != nil {
			return
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

// checkSafely is Check without the panics of a client's hooks.
func (s *Store) checkSafely(ctx context.Context) (found []string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("redisstore: check: the client panicked: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found, err = s.Check(ctx)
	var reply redis.Error
	if errors.As(err, &reply) && faultOf(err) == noFault {
		return []string{"the start-up check may not look: " + reply.Error()}, nil
	}
	return found, err
}

func parseInfo(text string) map[string]string {
	facts := make(map[string]string)
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			facts[name] = strings.TrimSpace(value)
		}
	}
	return facts
}

func tooOld(version string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n < 2 {
		return false // a server that counts otherwise
	}
	return major < minMajor || major == minMajor && minor < minMinor
}
