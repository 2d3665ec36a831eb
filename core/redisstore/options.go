package redisstore

import (
	"cmp"
	"log/slog"
	"math/bits"
	"time"
)

// What Options that are zero stand for.
const (
	// DefaultTimeout is the time that one operation may take.
	DefaultTimeout = 50 * time.Millisecond

	// DefaultTTL is how long an assignment outlives its last use.
	DefaultTTL = 180 * 24 * time.Hour

	// DefaultBuckets is the number of small hashes of one experiment: few enough
	// that a million assignments take 29 bytes each, and enough that ten million
	// still fit hashes of at most 512 fields, which Redis keeps compact unless
	// its hash-max-listpack-entries is set lower.
	DefaultBuckets = 1 << 15

	// DefaultCacheSize is the number of assignments remembered in process.
	DefaultCacheSize = 1 << 16

	maxBucketBits = 24
)

// Options configure a [Store]. nil and the zero value work. Processes that
// share assignments need the same Prefix and Buckets.
type Options struct {
	// Timeout bounds the time of one operation, beside the deadline of its ctx.
	// 0 means DefaultTimeout. [Store.Clear] takes one per thousand buckets.
	Timeout time.Duration

	// TTL is how long the assignments of a bucket are kept after the last read or
	// write of any. It is renewed once a day, so that they can go a day early;
	// reads don't renew a TTL below a day. 0 means DefaultTTL, below 0 that they
	// never expire.
	TTL time.Duration

	// Prefix begins every Redis key. Empty means "rk:".
	Prefix string

	// Buckets returns the number of small hashes for an experiment, which is
	// rounded up to a power of two and is at most 16,777,216. nil, and a result
	// of 0 or less, mean DefaultBuckets; one bucket for every 60 to 400
	// assignments expected is a good number. It is part of where an assignment
	// lies: every process gives the same number, and a change begins the
	// experiment anew. It is called from many goroutines.
	Buckets func(experiment string) int

	// LocalTTL lets Load answer from memory what it or a claim saw less than so
	// long ago. A forced or manual assignment made by another process is then
	// seen after that time. 0, the default, asks Redis every time.
	LocalTTL time.Duration

	// CacheSize bounds the assignments remembered in process: those for
	// LocalTTL, and the last known answers for when Redis does not answer. Each
	// takes some 130 bytes. 0 means DefaultCacheSize, below 0 none.
	CacheSize int

	// Logger gets the warnings of the start-up check, and when Redis stops and
	// starts answering. nil means slog.Default().
	Logger *slog.Logger
}

// withDefaults returns a copy with every field set.
func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	d.Timeout = max(cmp.Or(d.Timeout, DefaultTimeout), time.Millisecond)
	if d.TTL = cmp.Or(d.TTL, DefaultTTL); d.TTL > 0 {
		d.TTL = max(d.TTL, time.Millisecond) // a shorter one would be none to Redis
	}
	d.Prefix = cmp.Or(d.Prefix, "rk:")
	d.CacheSize = cmp.Or(d.CacheSize, DefaultCacheSize)
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return d
}

// readRenews is the age in seconds of the time in a bucket's head at which a read
// renews it and the TTL: a day.
const readRenews = 24 * 60 * 60

// writeRenews is the same for a write, except that a short TTL is renewed sooner:
// a new assignment loses no more than a 180th of its time.
func (o *Options) writeRenews() int64 {
	if o.TTL < 0 {
		return readRenews
	}
	return min(readRenews, int64(o.TTL/time.Second)/180)
}

// bucketBits returns the logarithm of the number of buckets of an experiment.
func (o *Options) bucketBits(experiment string) int {
	n := 0
	if o.Buckets != nil {
		n = o.Buckets(experiment)
	}
	if n <= 0 {
		n = DefaultBuckets
	}
	return min(bits.Len(uint(n-1)), maxBucketBits)
}

// ttl returns the TTL in milliseconds, 0 for none.
func (o *Options) ttl() int64 { return max(o.TTL, 0).Milliseconds() }
