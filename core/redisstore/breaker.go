package redisstore

import (
	"context"
	"errors"
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
	name   string
	bit    uint32 // its own, among all circuits
	fails  atomic.Int32
	opened atomic.Pointer[error] // why; nil while it is closed
	mu     sync.Mutex
	last   string // key of the operation that failed last
}

// Faults are the circuits that know of a failure of one round trip: a connection
// that breaks is one failure, however many commands and callers were on it.
type faults struct{ bits atomic.Uint32 }

// first reports whether c does not know yet.
func (f *faults) first(c *circuit) bool { return f.bits.Or(c.bit)&c.bit == 0 }

// allow returns the error to give instead of asking Redis, nil to go ahead.
func (c *circuit) allow() error {
	if why := c.opened.Load(); why != nil {
		return *why
	}
	return nil
}

// A breaker has the circuits of a store.
type breaker struct {
	s      *Store
	read   []circuit
	write  []circuit
	streak atomic.Int32 // reads that failed since any succeeded
}

func newBreaker(s *Store, parts int) *breaker {
	b := &breaker{s: s, read: make([]circuit, parts), write: make([]circuit, parts)}
	for i := range parts {
		part := ""
		if parts > 1 {
			part = fmt.Sprintf(" of slots %d to %d", i*clusterSlots/parts, (i+1)*clusterSlots/parts-1)
		}
		b.read[i].name, b.write[i].name = "reads"+part, "writes"+part
		b.read[i].bit, b.write[i].bit = 1<<i, 1<<(clusterCircuits+i)
	}
	return b
}

// circuit returns the circuit of a key.
func (b *breaker) circuit(key string, write bool) *circuit {
	circuits := b.read
	if write {
		circuits = b.write
	}
	if len(circuits) == 1 {
		return &circuits[0]
	}
	return &circuits[int(slotOf(key))*len(circuits)/clusterSlots]
}

// count takes in how a command on key ended, in a round trip with those faults.
func (b *breaker) count(key string, write bool, err error, trip *faults) {
	c := b.circuit(key, write)
	f := faultOf(err)
	if f == noFault || f == writeFault && !write {
		if c.fails.Load() != 0 {
			c.fails.Store(0)
		}
		if !write && b.streak.Load() != 0 {
			b.streak.Store(0)
		}
		return
	}
	if !trip.first(c) {
		return
	}
	if connectionError(err) {
		b.s.reloadTopology()
	}
	if timedOut(err) && !errors.Is(err, ErrTimeout) {
		err = fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	if c.fails.Add(1) >= tripAfter {
		b.open(c, write, key, err)
	}
	// With every part failing there is no use in finding out one by one.
	if !write && b.streak.Add(1) >= tripAfter {
		for i := range b.read {
			b.open(&b.read[i], false, key, err)
		}
	}
}

// open opens a circuit and begins to probe it in the background.
func (b *breaker) open(c *circuit, write bool, key string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.circuit(key, write) == c {
		c.last = key
	}
	if c.opened.Load() != nil || !b.s.background(func(ctx context.Context) { b.heal(ctx, c, write) }) {
		return
	}
	why := fmt.Errorf("%w: %w", ErrUnavailable, err)
	c.opened.Store(&why)
	b.s.stats.opened.Add(1)
	b.s.opts.Logger.Warn("redisstore: Redis does not answer, assignments are decided without it", "circuit", c.name, "error", err)
}

// heal probes c until it answers, then closes it.
func (b *breaker) heal(ctx context.Context, c *circuit, write bool) {
	began := time.Now()
	for {
		wait := probeEvery*3/4 + rand.N(probeEvery/2)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if b.probe(ctx, c, write) != nil {
			continue
		}
		c.fails.Store(0)
		if !write {
			b.streak.Store(0)
		}
		c.opened.Store(nil)
		b.s.opts.Logger.Info("redisstore: Redis answers again", "circuit", c.name, "after", time.Since(began))
		return
	}
}

// anyOpen counts the open circuits.
func (b *breaker) anyOpen() int {
	n := 0
	for _, circuits := range [][]circuit{b.read, b.write} {
		for i := range circuits {
			if circuits[i].opened.Load() != nil {
				n++
			}
		}
	}
	return n
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
		crc = crc<<8 ^ crcTable[byte(crc>>8)^key[i]]
	}
	return crc % clusterSlots
}

var crcTable = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()

// probe asks whether the operations of c work again: it reads the key that
// failed last, or writes a key of its own in the same slot.
func (b *breaker) probe(ctx context.Context, c *circuit, write bool) error {
	s := b.s
	s.stats.probes.Add(1)
	key := b.keyIn(c, write)
	q := request{key: key, cmd: redis.NewSliceCmd(background, "hmget", key, headField)}
	if write {
		key = s.opts.Prefix + "probe:{" + key + "}"
		q = request{key: key, cmd: redis.NewStatusCmd(background, "set", key, "", "px", time.Second.Milliseconds())}
	}
	call := newCall(ctx, s.opts.Budget, write, q)
	call.counted.Store(true) // a probe that fails is no news
	call.late = s.settleLate
	err := s.run.run(call)
	if err == nil {
		if err = call.panicked; err == nil {
			err = call.requests[0].cmd.Err()
		}
	}
	if f := faultOf(err); f == noFault || f == writeFault && !write {
		return nil
	}
	s.reloadTopology() // another node may have taken over meanwhile
	return err
}

// keyIn returns a key in the part of the slots that c stands for: the one that
// failed last, if any did there.
func (b *breaker) keyIn(c *circuit, write bool) string {
	c.mu.Lock()
	key := c.last
	c.mu.Unlock()
	for i := 0; key == ""; i++ {
		if k := fmt.Sprintf("%sprobe:%d", b.s.opts.Prefix, i); b.circuit(k, write) == c {
			key = k
		}
	}
	return key
}
