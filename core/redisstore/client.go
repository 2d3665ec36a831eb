package redisstore

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// NewClient returns a client fit for a [Store], for programs that have none
// yet: it gives up within the default budget, keeps enough connections for some
// hundred callers, and leaves retries to the store. Connections are made when
// they are needed. The caller closes it, after the store.
//
// The URL says where Redis is, in the ways that go-redis reads:
//
//	redis://user:password@host:6379/0                    one server
//	rediss://host:6379                                   over TLS
//	unix:///run/redis.sock
//	redis://host:7000?addr=host:7001&addr=host:7002      a cluster; one more addr is enough
//	redis://host:7000?cluster=true                       a cluster known by one node
//	redis://sentinel:26379/0?master_name=main&addr=...   the master that Sentinel names
//
// Options of go-redis in the query, such as pool_size=100, go before those
// chosen here.
func NewClient(address string) (redis.UniversalClient, error) {
	u, err := url.Parse(address)
	if err != nil {
		// The error of url.Parse quotes the whole URL, password included.
		return nil, errors.New("redisstore: the Redis URL can't be read; it looks like redis://user:password@host:6379/0")
	}
	q := u.Query()
	cluster := q.Has("addr") || q.Has("cluster")
	switch q.Get("cluster") {
	case "", "true", "1":
	case "false", "0":
		cluster = false
	default:
		return nil, fmt.Errorf("redisstore: cluster is %q in the Redis URL; it may be true or false", q.Get("cluster"))
	}
	q.Del("cluster")
	u.RawQuery = q.Encode()
	switch {
	case q.Has("master_name"):
		o, err := redis.ParseFailoverURL(u.String())
		if err != nil {
			return nil, badURL(err)
		}
		fit(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
		fitRetries(&o.MaxRetries, &o.MinRetryBackoff, &o.MaxRetryBackoff, &o.DialerRetries, &o.PoolSize)
		o.ContextTimeoutEnabled, o.DisableIdentity = true, true
		return redis.NewFailoverClient(o), nil
	case cluster:
		o, err := redis.ParseClusterURL(u.String())
		if err != nil {
			return nil, badURL(err)
		}
		fit(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
		// In a cluster the client's tries are its redirects.
		fitRetries(&o.MaxRetries, &o.MinRetryBackoff, &o.MaxRetryBackoff, &o.DialerRetries, &o.PoolSize)
		o.ContextTimeoutEnabled, o.DisableIdentity = true, true
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, badURL(err)
	}
	fit(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
	fitRetries(&o.MaxRetries, &o.MinRetryBackoff, &o.MaxRetryBackoff, &o.DialerRetries, &o.PoolSize)
	o.ContextTimeoutEnabled, o.DisableIdentity = true, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

// dialTimeout is more than a budget: a connection is made in the background and
// serves the next caller if the one who asked for it had to leave.
const dialTimeout = 10 * DefaultBudget

// fit sets the timeouts that the URL leaves open. Each part of an operation may
// take the budget of the whole.
func fit(dial, read, write, pool *time.Duration) {
	for _, t := range []*time.Duration{read, write, pool} {
		if *t == 0 {
			*t = DefaultBudget
		}
	}
	if *dial == 0 {
		*dial = dialTimeout
	}
}

// fitRetries allows one retry, for a connection that the server closed while it
// was idle, and enough connections that callers don't wait for one.
func fitRetries(retries *int, minBackoff, maxBackoff *time.Duration, dials, pool *int) {
	if *retries == 0 {
		*retries = 1
	}
	if *minBackoff == 0 && *maxBackoff == 0 {
		*minBackoff, *maxBackoff = time.Millisecond, 4*time.Millisecond
	}
	if *dials == 0 {
		*dials = 1
	}
	if *pool == 0 {
		*pool = 64
	}
}

// badURL keeps go-redis' reason without the URL it may quote.
func badURL(err error) error {
	var parse *url.Error
	if errors.As(err, &parse) {
		err = parse.Err
	}
	return fmt.Errorf("redisstore: the Redis URL: %s", strings.TrimPrefix(err.Error(), "redis: "))
}
