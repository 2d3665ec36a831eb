package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

var (
	// ErrUnavailable: Redis failed three times in a row, so it was not asked.
	// The error that opened the circuit is wrapped beside it.
	ErrUnavailable = errors.New("redisstore: Redis is not asked until it answers again")

	// ErrTimeout: the operation took longer than [Options.Timeout]. Nobody knows
	// whether a write took place.
	ErrTimeout = errors.New("redisstore: no answer in time")

	// ErrUnreadable: what lies in Redis is no assignment: a value that nobody
	// here wrote, or a key of another type. It is left as it is.
	ErrUnreadable = errors.New("redisstore: what is stored can't be read")

	// ErrClosed: the store is closed.
	ErrClosed = errors.New("redisstore: the store is closed")

	errNoVariant = errors.New("redisstore: an entry without a variant is not stored")
)

// failed wraps an error, if there is one, with what was being done, and counts
// what is wrong with the data rather than with the server.
func (s *Store) failed(op, experiment string, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrUnavailable), errors.Is(err, ErrClosed):
		return err // one allocation for each operation of an outage is too many
	case errors.Is(err, ErrUnreadable):
		s.stats.unreadable.Add(1)
	case wrongType(err):
		err = fmt.Errorf("%w: %w", ErrUnreadable, err)
		s.stats.unreadable.Add(1)
	case faultOf(err) == noFault:
		s.stats.failures.Add(1) // an error reply, such as a missing permission
	}
	return fmt.Errorf("redisstore: %s %s: %w", op, experiment, err)
}

// wrongType reports whether err says that a key holds another type than a
// hash. In scripts Redis 6.2 puts words before the code.
func wrongType(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && strings.Contains(reply.Error(), "WRONGTYPE")
}

// What an error says about the server, for the breaker.
type fault uint8

const (
	noFault     fault = iota // it answered
	writeFault               // it answers, but takes no writes
	serverFault              // it does not answer, or has nothing to answer with
)

// refusals are the codes of servers that take no writes at the moment.
var refusals = []string{"OOM", "READONLY", "MISCONF", "NOREPLICAS"}

// outages are the codes of servers that answer nothing at the moment.
var outages = []string{"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY ", "UNBLOCKED",
	"max number of clients", "NOAUTH", "WRONGPASS"}

// faultOf classifies what a command ended with.
func faultOf(err error) fault {
	if err == nil || errors.Is(err, redis.Nil) || errors.Is(err, ErrUnreadable) {
		return noFault
	}
	var reply redis.Error
	if !errors.As(err, &reply) {
		return serverFault
	}
	text := strings.TrimPrefix(reply.Error(), "ERR ")
	for _, code := range outages {
		if strings.HasPrefix(text, code) {
			return serverFault
		}
	}
	for _, code := range refusals {
		if strings.Contains(text, code+" ") {
			return writeFault
		}
	}
	return noFault
}

// contextError reports whether an operation ended because its caller's ctx did.
func contextError(err error) bool {
	return !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrUnavailable) &&
		(errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

// timedOut reports whether a command ended because of a deadline.
func timedOut(err error) bool {
	if err == nil {
		return false // what follows allocates
	}
	var network net.Error
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
}
