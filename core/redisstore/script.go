package redisstore

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// writeScript claims and saves in a bucket, and renews its TTL.
//
//	KEYS[1] the bucket
//	ARGV[1] field
//	ARGV[2] now in seconds
//	ARGV[3] age in seconds at which the time in the head and the TTL are renewed
//	ARGV[4] TTL in milliseconds, 0 for none
//	ARGV[5] "save"; "claim": only over the old entry; "touch": no entry
//	ARGV[6] the new entry as a code
//	ARGV[7] its name, empty if the code needs none
//	ARGV[8] the new entry in full
//	ARGV[9] the old entry as a code; left out for nothing
//	ARGV[10] its name, empty if the code needs none
//	ARGV[11] the old entry in full
//
// It returns 1, or else what a claim must not write over, with the head. It runs
// on one key, so that it works in a cluster.
var writeScript = `
local key, mode, new, name = KEYS[1], ARGV[5], ARGV[6], ARGV[7]
local found = redis.call('HMGET', key, ARGV[1], '` + headField + `')
local value, head = found[1], found[2] or ''
local names = string.sub(head, ` + strconv.Itoa(stampBytes+1) + `)
local function has(name) return name == '' or string.find(names .. '\n', '\n' .. name .. '\n', 1, true) end
if mode == 'claim' then
  local same = not value and not ARGV[9] or value and (value == ARGV[9] and has(ARGV[10]) or value == ARGV[11])
  if not same then return {value, head} end
elseif mode == 'touch' and redis.call('EXISTS', key) == 0 then
  return 1
end
local renew = #head < ` + strconv.Itoa(stampBytes) + `
if not renew then
  local age = ARGV[2] - struct.unpack('>I4', head)
  renew = age >= tonumber(ARGV[3]) or age <= -ARGV[3]
end
if not has(name) then
  local function hash(of) return tonumber(string.sub(redis.sha1hex(of), 1, 4), 16) % ` + strconv.Itoa(nameHashes) + ` end
  local fits = ` + strconv.Itoa(stampBytes+1) + ` + #names + #name <= ` + strconv.Itoa(maxHead) + `
  for other in string.gmatch(names, '\n([^\n]+)') do
    fits = fits and hash(other) ~= hash(name)
  end
  if fits then
    names, renew = names .. '\n' .. name, true
  else
    new = ARGV[8]
  end
end
if renew then redis.call('HSET', key, '` + headField + `', struct.pack('>I4', ARGV[2]) .. names) end
if mode ~= 'touch' then redis.call('HSET', key, ARGV[1], new) end
if renew and ARGV[4] ~= '0' then redis.call('PEXPIRE', key, ARGV[4]) end
return 1
`

var writeSHA = func() string {
	sum := sha1.Sum([]byte(writeScript))
	return hex.EncodeToString(sum[:])
}()

// What the script can do.
const (
	modeClaim = "claim"
	modeSave  = "save"
	modeTouch = "touch"
)

// write returns the request that runs the script at p. A server that doesn't have
// it answers NOSCRIPT; see [Store.trip].
func (s *Store) write(p *place, mode string, old, f form) request {
	renews := s.opts.writeRenews()
	if mode == modeTouch {
		renews = readRenews
	}
	args := []any{"evalsha", writeSHA, 1, p.key,
		p.field, time.Now().Unix(), renews, s.opts.ttl(), mode, f.coded, f.name, f.literal}
	if old != (form{}) {
		args = append(args, old.coded, old.name)
	}
	if old.literal != "" {
		args = append(args, old.literal)
	}
	return s.request(true, p.key, redis.NewCmd(background, args...))
}

// inFull returns the command that carries the script's text, for the same
// arguments.
func inFull(cmd redis.Cmder) *redis.Cmd {
	args := append([]any(nil), cmd.Args()...)
	args[0], args[1] = "eval", writeScript
	return redis.NewCmd(background, args...)
}
