package glex

import (
	"fmt"
	"strings"
)

// How the gem's RedisHashStore lays out assignments. Each experiment is a hash,
// whose key is the full name; its fields are context keys, its values the bare
// names of variants. Counters are in a second hash. Nothing expires, and every
// operation is one command: HGET, HSET, HDEL, HINCRBY; clearing is TYPE, then
// DEL of both hashes. An older key's assignment moves: HGET of the older key,
// HSET of the newer, HDEL of the older.

// RoundRobinCounter is the counter of the gem's round robin: how many units it
// has drawn for.
const RoundRobinCounter = "last_round_robin_variant"

// AssignmentsKey returns the Redis key of the experiment's assignments.
func AssignmentsKey(experiment string) string { return experiment }

// CountersKey returns the Redis key of the experiment's counters. It is also
// where the gem keeps the assignments of an experiment called so, which
// therefore should not exist.
func CountersKey(experiment string) string { return experiment + "_attrs" }

// SharableKey returns an error if the gem's store can't keep an assignment of
// the experiment under the key: it finds the parts of "experiment:key" at their
// colons, so neither may have one, nor be empty. Keys that the gem hashes never
// do; those of [Verbatim] can.
func SharableKey(experiment, key string) error {
	switch {
	case experiment == "" || strings.Contains(experiment, ":"):
		return fmt.Errorf("glex: the gem's store can't keep the experiment %q: it needs a name without a colon", experiment)
	case key == "" || strings.Contains(key, ":"):
		return fmt.Errorf("glex: experiment %s: the gem's store can't keep the key %q: it needs one without a colon", experiment, key)
	}
	return nil
}
