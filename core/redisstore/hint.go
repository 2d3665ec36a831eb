package redisstore

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Hints carry the heads of buckets from a Load that found nothing to the Claim
// that follows it. A claim that knows a fresh head with the name it needs takes
// one HSETNX, which costs Redis a fifth of the script.
//
// A hint can be wrong when the bucket goes within its second: when the
// experiment is cleared or a failover loses the head. The value then stands
// without its name and can't be read until the next claim of that variant in
// the bucket restores it. It would read as another variant only if a name of the
// same hash came first.
type hints struct {
	slots [1 << 12]atomic.Pointer[hint]
	seed  maphash.Seed
}

type hint struct {
	key, head string
	until     time.Time
}

const hintLife = time.Second

func (h *hints) slot(key string) *atomic.Pointer[hint] {
	return &h.slots[maphash.String(h.seed, key)%uint64(len(h.slots))]
}

// put keeps the head of a bucket.
func (h *hints) put(key, head string, now time.Time) {
	h.slot(key).Store(&hint{key: key, head: head, until: now.Add(hintLife)})
}

// get returns the head of a bucket, empty if it is not known.
func (h *hints) get(key string, now time.Time) string {
	if one := h.slot(key).Load(); one != nil && one.key == key && now.Before(one.until) {
		return one.head
	}
	return ""
}

// claimInKnownBucket returns the single command that claims f at p over nothing,
// if that is what old is and the head of the bucket is known to need no change.
func (s *Store) claimInKnownBucket(p *place, old, f form) (*redis.IntCmd, bool) {
	now := time.Now()
	head := s.hints.get(p.key, now)
	if old != (form{}) || head == "" || needsRenewal(head, now, s.opts.writeRenews()) || f.name != "" && !inHead(head, f.name) {
		return nil, false
	}
	return redis.NewIntCmd(background, "hsetnx", p.key, p.field, f.coded), true
}
