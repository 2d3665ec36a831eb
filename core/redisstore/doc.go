// Package redisstore keeps assignments in Redis, so that a whole fleet of
// processes gives each unit one variant, for months, and through the outages of
// Redis itself. It works on one server, on Sentinel and on a cluster, from
// Redis 6.2 on.
//
//	rdb, err := redisstore.NewClient("redis://localhost:6379")
//	store, err := redisstore.New(rdb, nil)
//	client, err := core.New(core.Config{Store: store, ...})
//
// # What it promises
//
// Whoever claims first wins: a claim is one atomic step in Redis, and every
// process that comes too late is told what is there. An assignment that is
// stored is found in one round trip; a new one takes two, a search and a claim;
// and a page of many experiments one for each node ([Store.Load]). Every command
// and the one script work on one key. On a single node no more than eight round
// trips are under way at a time; operations beyond that share them, so that a
// busy process gets more out of Redis than one command per trip would.
//
// An operation takes no longer than [Options.Timeout], 50 ms unless set. After
// three failures in a row a circuit opens, where one round trip is one failure,
// whatever it carried: Redis is then not asked, so that an outage costs three
// round trips, and those under way, one timeout each. The circuit is probed in
// the background four times a second and closes when a probe is answered. Reads
// and writes have circuits of their own, since a full server and a replica still
// read; in a cluster each sixteenth of the slots has its own, so that the loss of
// one master leaves the others alone. Meanwhile units that this process has seen
// before keep getting their variant from memory, and for others Load returns an
// error, by which the core decides without the store and writes nothing.
// [Store.Stats] counts each of these.
//
// What lies in Redis and can't be read, such as a key of another type, is an
// error that wraps [ErrUnreadable]. It is never taken for an absence and never
// written over by Claim.
//
// # Redis
//
// Give assignments a server, or a maxmemory-policy of noeviction: a server that
// evicts forgets assignments, and their units are drawn again. [New] asks for
// that once in the background and logs a warning that says what to change;
// [Store.Check] returns the same.
//
// A master that fails can take with it what it had not yet sent to its replica,
// for Redis replicates after it answers. A unit assigned in that moment is
// assigned again.
//
// # Clients
//
// [NewClient] makes a client that suits. One of your own has to end its commands
// at the deadline of their ctx, which go-redis leaves to an option:
//
//	redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
//
// Its hooks see the store's commands, those of shared trips as pipelines without
// what any caller's ctx carries. What the options put into the way of a
// connection, such as OnConnect or a Limiter, has to look at deadlines too. Give
// a cluster client a short ReadTimeout: when it asks who has taken over from a
// master that is silent, it may ask that one first and wait for so long.
//
// # Layout
//
// Each experiment has 32,768 buckets ([Options.Buckets]), which are hashes small
// enough to be kept as listpacks, spread over all slots. A unit's place is found
// from
//
//	digest = SHA-256(experiment, 00, key)
//
// where experiment is the full name and key the unit's key as text. Keys are
// hashed whatever they are, so that others than the core's may share prefixes.
//
//	bucket key    prefix experiment ":" bits ":" index
//	                prefix      "rk:" (Options.Prefix)
//	                bits        log2 of the number of buckets, in decimal: "15"
//	                index       the first bits of digest bytes 16 to 18, in
//	                            lower-case hex of ceil(bits/4) digits: "13e4"
//	field         digest bytes 0 to 15, raw
//	value         one of
//	                1 or 2 bytes: decimal code of an entry of control or candidate:
//	                            code = kind for control, 8 + kind for candidate
//	                5 digits: decimal code of an entry of another variant:
//	                            code = 10000 + 8*hash + kind, where hash is the
//	                            first two bytes of SHA-1(variant), big-endian,
//	                            modulo 2846
//	                5 bytes: "!" and Entry.Open as four raw bytes: an open
//	                            control that was resolved
//	                else: "=" and the entry in full:
//	                            origin " " variant " " previous " " open,
//	                            each quoted as in Go
//	kind          0 resolved, 1 segmented, 2 manual, 3 forced, 4 excluded,
//	              5 resolved after a ramp moved the unit from control, 6 unknown;
//	              all of them final
//	field "."     the head of the bucket, its first field:
//	                bytes 0 to 3: when the TTL was last renewed, in seconds since
//	                            1970, big-endian
//	                then "\n" variant for each variant other than control and
//	                            candidate that has a code here
//	TTL           180 days (Options.TTL), renewed by the first read or write after
//	              a day; a write renews a TTL below 180 days sooner
//	counters      hash prefix experiment ":n", field = name, value = count;
//	              the same TTL, renewed by each increment
//
// For example, the resolved variant red of key 00...01 (64 digits) in the
// experiment shop_pill_color:
//
//	HGET rk:shop_pill_color:15:13e4 <16 bytes>   "29296"
//	HGET rk:shop_pill_color:15:13e4 .            "\x71\x3a\x5e\x80\nred"
//
// So a variant that was removed or reordered still reads as itself: its name is
// in the bucket that needs it, which also can't lose it separately, as it could a
// dictionary in a key of its own. A head is kept within 64 bytes, the limit of a
// value in a listpack. Variants that find no room, and the second of two whose
// hashes are equal, are written in full.
//
// An assignment takes 29 bytes at one million and 24 at ten million, of an
// experiment with several variants; the gem's hash takes 131. Buckets stay
// listpacks up to 512 entries (hash-max-listpack-entries), which is some 14
// million assignments; above that, or on servers with a lower limit, they turn
// into hash tables of about four times the size, and nothing else changes. An
// experiment that will be larger is given more buckets before it starts.
package redisstore
