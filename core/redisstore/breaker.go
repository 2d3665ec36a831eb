package redisstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// tripAfter failures in a row open a circuit.
	tripAfter = 3

	// probeEvery is the time between two probes of an open circuit, give or
	// take a quarter so that the processes of a fleet spread theirs.
	probeEvery = 250 * time.Millisecond

	// clusterCircuits is the number of parts into which the slots of a cluster
	// are divided, each with its own circuits, so that one master that fails
	// does not take the others' assignments away.
	clusterCircuits = 16

	clusterSlots = 1 << 14
)

// A circuit keeps operations from a part of Redis that has stopped answering.
// Reads and writes have one each: a full server and a replica still read.
type circuit struct {
	write  bool
	bit    uint32 // its own, among all circuits
	fails  atomic.Int32
	opened atomic.Pointer[error] // why; nil while it is closed
	mu     sync.Mutex
	last   string // key of the operation that failed last
}

// worked reports whether err speaks for the part of Redis that c is about.
func (c *circuit) worked(err error) bool {
	f := faultOf(err)
	return f == noFault || f == writeFault && !c.write
}

// A breaker has the circuits of a store.
type breaker struct {
	s        *Store
	parts    int
	circuits []circuit    // of the reads in each part, then of the writes
	streak   atomic.Int32 // reads that failed since any succeeded
}

func newBreaker(s *Store) *breaker {
	b := &breaker{s: s, parts: 1}
	if _, ok := s.client.(*redis.ClusterClient); ok {
		b.parts = clusterCircuits
	}
	b.circuits = make([]circuit, 2*b.parts)
	for i := range b.circuits {
		b.circuits[i].bit, b.circuits[i].write = 1<<i, i >= b.parts
	}
	return b
}

// circuit returns the circuit of a key.
func (b *breaker) circuit(key string, write bool) *circuit {
	i := 0
	if b.parts > 1 {
		i = int(slotOf(key)) * b.parts / clusterSlots
	}
	if write {
		i += b.parts
	}
	return &b.circuits[i]
}

// count takes in how the commands of one round trip ended. A connection that
// breaks is one failure, however many commands were on it.
func (b *breaker) count(requests []request, began time.Time) {
	var failed uint32 // circuits
	for i := range requests {
		q := &requests[i]
		switch err := q.cmd.Err(); {
		case q.circuit.worked(err):
			b.succeed(q.circuit)
		case timedOut(err) && time.Since(began) < b.s.opts.Timeout/2:
			// A caller who is in a hurry is no outage.
		case failed&q.circuit.bit == 0:
			failed |= q.circuit.bit
			b.fail(q.circuit, q.key, err)
		}
	}
}

// succeed only writes where that is news, since all operations share it.
func (b *breaker) succeed(c *circuit) {
	if c.fails.Load() != 0 {
		c.fails.Store(0)
	}
	if !c.write && b.streak.Load() != 0 {
		b.streak.Store(0)
	}
}

func (b *breaker) fail(c *circuit, key string, err error) {
	b.s.reloadTopology()
	if timedOut(err) {
		err = fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	if c.fails.Add(1) >= tripAfter {
		b.open(c, key, err)
	}
	// With every part failing there is no use in finding out one by one.
	if !c.write && b.streak.Add(1) >= tripAfter {
		for i := range b.parts {
			b.open(&b.circuits[i], key, err)
		}
	}
}

// open opens a circuit and begins to probe it in the background.
func (b *breaker) open(c *circuit, key string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.circuit(key, c.write) == c {
		c.last = key
	}
	if c.opened.Load() != nil || !b.s.trips.background(func(ctx context.Context) { b.heal(ctx, c) }) {
		return
	}
	why := fmt.Errorf("%w: %w", ErrUnavailable, err)
	c.opened.Store(&why)
	b.s.stats.opened.Add(1)
	b.s.opts.Logger.Warn("redisstore: Redis does not answer, assignments are decided without it", "writes", c.write, "key", c.last, "error", err)
}

// heal probes c until it answers, then closes it.
func (b *breaker) heal(ctx context.Context, c *circuit) {
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(probeEvery*3/4 + rand.N(probeEvery/2)):
		}
		if b.probe(ctx, c) {
			break
		}
		b.s.reloadTopology() // another node may have taken over meanwhile
	}
	b.succeed(c)
	c.opened.Store(nil)
	b.s.opts.Logger.Info("redisstore: Redis answers again", "writes", c.write, "after", time.Since(began))
}

// probe reports whether the operations of c work again: it reads the key that
// failed last, or another in the part of the slots that c stands for if none did
// there, or writes a key of its own in the same slot.
func (b *breaker) probe(ctx context.Context, c *circuit) bool {
	s := b.s
	s.stats.probes.Add(1)
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	c.mu.Lock()
	key := c.last
	c.mu.Unlock()
	for i := 0; key == "" || b.circuit(key, c.write) != c; i++ {
		key = fmt.Sprintf("%sprobe:%d", s.opts.Prefix, i)
	}
	var cmd redis.Cmder = redis.NewSliceCmd(background, "hmget", key, headField)
	if c.write {
		key = s.opts.Prefix + "probe:{" + key + "}"
		cmd = redis.NewStatusCmd(background, "set", key, "", "px", time.Second.Milliseconds())
	}
	s.send(ctx, []request{{cmd: cmd}}) // a probe that fails is no news
	return c.worked(cmd.Err())
}

// openCircuits counts the circuits that are open.
func (b *breaker) openCircuits() (n int) {
	for i := range b.circuits {
		if b.circuits[i].opened.Load() != nil {
			n++
		}
	}
	return n
}

// reloadTopology makes a cluster client ask who has which slots. The client
// does so at most every 200 ms.
func (s *Store) reloadTopology() {
	if c, ok := s.client.(*redis.ClusterClient); ok {
		c.ReloadState(background)
	}
}

// slotOf returns the hash slot of a key: CRC-16/XMODEM of the key, or of what
// stands between its first braces, as the Redis Cluster specification has it.
func slotOf(key string) uint16 {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			carry := crc >> 15
			crc = crc<<1 ^ carry*0x1021
		}
	}
	return crc % clusterSlots
}
