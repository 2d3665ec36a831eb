package redisstore

import (
	"log/slog"
	"math/bits"
	"time"
)

// What Options that are zero stand for.
const (
	// DefaultBudget is the time that one operation may take.
	DefaultBudget = 50 * time.Millisecond

	// DefaultTTL is how long an assignment outlives its last use.
	DefaultTTL = 180 * 24 * time.Hour

	// DefaultBuckets is the number of small hashes of one experiment: few enough
	// that a million assignments take 29 bytes each, and enough that ten million
	// still fit hashes of at most 512 fields, which Redis keeps compact unless
	// its hash-max-listpack-entries is set lower.
	DefaultBuckets = 1 << 15

	// DefaultCacheSize is the number of assignments remembered in process.
	DefaultCacheSize = 1 << 16

	// DefaultMaxInFlight bounds the commands under way at one time.
	DefaultMaxInFlight = 512

	// DefaultMaxTrips bounds the round trips under way at one time.
	DefaultMaxTrips = 8

	defaultPrefix = "rk:"
	maxBucketBits = 24
	minBudget     = time.Millisecond
)

// A Layout says how assignments lie in Redis.
type Layout uint8

const (
	// BucketLayout spreads the whole entries of an experiment over small
	// hashes that expire. The package comment describes it byte by byte.
	BucketLayout Layout = iota

	// GLEXLayout is the layout of GitLab Experiment's Redis store, to share
	// assignments with a Ruby application: one hash per experiment that never
	// expires, whose fields are keys and whose values are bare variant names.
	// Prefix, TTL and Buckets don't apply. See [Store.VariantOnly].
	GLEXLayout
)

// Options configure a [Store]. nil and the zero value work. Processes that
// share assignments need the same Layout, Prefix and Buckets.
type Options struct {
	// Budget bounds the time of one operation, whatever options the client was
	// built with. 0 means DefaultBudget. [Store.Clear] takes one per thousand
	// buckets.
	Budget time.Duration

	// TTL is how long the assignments of a bucket are kept after the last read or
	// write of any. It is renewed once a day, so that they can go a day early;
	// reads don't renew a TTL below a day. 0 means DefaultTTL, below 0 that they
	// never expire.
	TTL time.Duration

	// Layout is BucketLayout unless set.
	Layout Layout

	// Prefix begins every Redis key. Empty means "rk:".
	Prefix string

	// Buckets returns the number of small hashes for an experiment, which is
	// rounded up to a power of two and is at most 16,777,216. nil, and a result
	// of 0 or less, mean DefaultBuckets; one bucket for every 60 to 400
	// assignments expected is a good number. It is part of where an assignment
	// lies: every process gives the same number, and a change begins the
	// experiment anew. It is called from many goroutines.
	Buckets func(experiment string) int

	// NearTTL lets Load answer from memory what it or a claim saw less than so
	// long ago. A forced or manual assignment made by another process is then
	// seen after that time. 0, the default, asks Redis every time.
	NearTTL time.Duration

	// CacheSize bounds the assignments remembered in process: those for
	// NearTTL, and the last known answers for when Redis does not answer. Each
	// takes some 130 bytes. 0 means DefaultCacheSize, below 0 none.
	CacheSize int

	// MaxInFlight bounds the commands under way at one time, including those
	// given up that the client still waits for. 0 means DefaultMaxInFlight. It is
	// for clients that may look at no deadline: of several nodes, or with an
	// OnConnect, a Limiter or a provider of credentials. The calls of others keep
	// to MaxTrips instead.
	MaxInFlight int

	// MaxTrips bounds the round trips under way at one time on a client of one
	// node, unless it is one that MaxInFlight is for. Operations beyond it wait,
	// within their budget, until one of those ends, and then share a trip as one
	// pipeline, which the hooks of the client see without what any caller's ctx
	// carries. 0 means DefaultMaxTrips, below 0 that each operation takes a trip
	// of its own.
	MaxTrips int

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
	if d.Budget == 0 {
		d.Budget = DefaultBudget
	}
	d.Budget = max(d.Budget, minBudget)
	if d.TTL == 0 {
		d.TTL = DefaultTTL
	}
	if d.Prefix == "" {
		d.Prefix = defaultPrefix
	}
	if d.CacheSize == 0 {
		d.CacheSize = DefaultCacheSize
	}
	if d.MaxInFlight <= 0 {
		d.MaxInFlight = DefaultMaxInFlight
	}
	if d.MaxTrips == 0 {
		d.MaxTrips = DefaultMaxTrips
	}
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
