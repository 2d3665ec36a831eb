package redisstore

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
)

// clientDefaults are the options of [NewClient] that a URL need not give. The
// timeouts are for what a client does of its own accord, such as asking who the
// master is. A connection may take longer to make than an operation: it serves
// the next one. The one retry is for a connection that the server closed while it
// was idle.
var clientDefaults = map[string]string{
	"dial_timeout": "500ms", "read_timeout": "50ms", "write_timeout": "50ms", "pool_timeout": "50ms", "pool_size": "64",
	"max_retries": "1", "min_retry_backoff": "1ms", "max_retry_backoff": "4ms",
}

// NewClient returns a client fit for a [Store], for programs that have none
// yet. Connections are made when they are needed. The caller closes it, after the
// store.
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
	cluster := q.Has("addr")
	switch q.Get("cluster") {
	case "":
	case "true", "1":
		cluster = true
	case "false", "0":
		cluster = false
	default:
		return nil, fmt.Errorf("redisstore: cluster is %q in the Redis URL; it may be true or false", q.Get("cluster"))
	}
	q.Del("cluster")
	for name, value := range clientDefaults {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	var client redis.UniversalClient
	switch {
	case q.Has("master_name"):
		var o *redis.FailoverOptions
		if o, err = redis.ParseFailoverURL(u.String()); err == nil {
			o.ContextTimeoutEnabled = true
			client = redis.NewFailoverClient(o)
		}
	case cluster:
		var o *redis.ClusterOptions
		if o, err = redis.ParseClusterURL(u.String()); err == nil {
			o.ContextTimeoutEnabled = true
			client = redis.NewClusterClient(o)
		}
	default:
		var o *redis.Options
		if o, err = redis.ParseURL(u.String()); err == nil {
			o.ContextTimeoutEnabled = true
			client = redis.NewClient(o)
		}
	}
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the URL
		}
		return nil, fmt.Errorf("redisstore: the Redis URL: %s", strings.TrimPrefix(err.Error(), "redis: "))
	}
	return client, nil
}
