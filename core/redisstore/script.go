package redisstore

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// A script runs on one key, so that it works in a cluster, with EVALSHA.
type script struct{ source, sha string }

func newScript(source string) *script {
	sum := sha1.Sum([]byte(source))
	return &script{source: source, sha: hex.EncodeToString(sum[:])}
}

// on returns the command that runs the script. A server that doesn't have it
// answers NOSCRIPT; see [call.exec].
func (s *script) on(key string, args ...any) request {
	line := make([]any, 0, 4+len(args))
	line = append(line, "evalsha", s.sha, 1, key)
	return request{key: key, cmd: redis.NewCmd(background, append(line, args...)...), script: s}
}

// whole returns the command that carries the script's text, for the same
// arguments.
func (s *script) whole(cmd redis.Cmder) *redis.Cmd {
	args := append([]any(nil), cmd.Args()...)
	args[0], args[1] = "eval", s.source
	return redis.NewCmd(background, args...)
}

// writeScript claims and saves in a bucket.
//
//	KEYS[1] the bucket
//	ARGV[1] field
//	ARGV[2] now in seconds
//	ARGV[3] age in seconds at which the time in the head and the TTL are renewed
//	ARGV[4] TTL in milliseconds, 0 for none
//	ARGV[5] the new entry as a code
//	ARGV[6] its name, empty if the code needs none
//	ARGV[7] the new entry in full
//	ARGV[8] "save", or "claim": only over nothing or over the old entry
//	ARGV[9] the old entry as a code, left out where there is none
//	ARGV[10] the old entry in full
//
// It returns 1 if it wrote, else what stands: the value and the head.
var writeScript = newScript(`
local key, new, name = KEYS[1], ARGV[5], ARGV[6]
local found = redis.call('HMGET', key, ARGV[1], '` + headField + `')
local value, head = found[1], found[2]
if value and ARGV[8] == 'claim' and value ~= ARGV[9] and value ~= ARGV[10] then
  return {value, head or ''}
end
local renew = not head or #head < ` + strconv.Itoa(stampBytes) + `
local names = renew and '' or string.sub(head, ` + strconv.Itoa(stampBytes+1) + `)
if not renew then
  local age = ARGV[2] - struct.unpack('>I4', head)
  renew = age >= tonumber(ARGV[3]) or age <= -ARGV[3]
end
if name ~= '' and not string.find(names .. '\n', '\n' .. name .. '\n', 1, true) then
  local function hash(of) return tonumber(string.sub(redis.sha1hex(of), 1, 4), 16) % ` + strconv.Itoa(nameHashes) + ` end
  local fits = ` + strconv.Itoa(stampBytes+1) + ` + #names + #name <= ` + strconv.Itoa(maxHead) + `
  for other in string.gmatch(names, '\n([^\n]+)') do
    fits = fits and hash(other) ~= hash(name)
  end
  if fits then
    names, renew = names .. '\n' .. name, true
  else
    new = ARGV[7]
  end
end
if renew then
  redis.call('HSET', key, '` + headField + `', struct.pack('>I4', ARGV[2]) .. names, ARGV[1], new)
  if ARGV[4] ~= '0' then redis.call('PEXPIRE', key, ARGV[4]) end
else
  redis.call('HSET', key, ARGV[1], new)
end
return 1
`)

// touchScript renews the TTL of a bucket unless another process just did.
//
//	KEYS[1] the bucket
//	ARGV[1] now in seconds
//	ARGV[2] TTL in milliseconds, 0 for none
var touchScript = newScript(`
local head = redis.call('HGET', KEYS[1], '` + headField + `')
local names = ''
if head and #head >= ` + strconv.Itoa(stampBytes) + ` then
  local age = ARGV[1] - struct.unpack('>I4', head)
  if age < ` + strconv.Itoa(readRenews) + ` and age > -` + strconv.Itoa(readRenews) + ` then return 0 end
  names = string.sub(head, ` + strconv.Itoa(stampBytes+1) + `)
elseif redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], '` + headField + `', struct.pack('>I4', ARGV[1]) .. names)
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
`)

// countScript adds ARGV[2] to the counter ARGV[1] and renews the TTL.
var countScript = newScript(`
local n = redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2])
if ARGV[3] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return n
`)

// glexWriteScript claims and saves in the gem's layout.
//
//	KEYS[1] the experiment
//	ARGV[1] key of the unit
//	ARGV[2] new variant
//	ARGV[3] "save" or "claim"
//	ARGV[4] old variant, empty for none
//
// It returns 1 if it wrote, else the variant that stands.
var glexWriteScript = newScript(`
if ARGV[3] == 'claim' then
  local value = redis.call('HGET', KEYS[1], ARGV[1])
  if value and (ARGV[4] == '' or value ~= ARGV[4]) then return value end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
`)

// glexMoveScript moves what the key ARGV[2] has to ARGV[1] unless that has
// something, and returns what ARGV[1] then has.
var glexMoveScript = newScript(`
local value = redis.call('HGET', KEYS[1], ARGV[1])
if value then return value end
value = redis.call('HGET', KEYS[1], ARGV[2])
if not value then return nil end
redis.call('HSET', KEYS[1], ARGV[1], value)
redis.call('HDEL', KEYS[1], ARGV[2])
return value
`)

// ttl returns the TTL as scripts take it.
func (o *Options) ttl() int64 {
	return max(o.TTL, 0).Milliseconds()
}

// write returns the command that claims or saves at p.
func (s *Store) write(p place, mode string, old *form, f form) request {
	if s.opts.Layout == GLEXLayout {
		was := ""
		if old != nil {
			was = old.coded
		}
		return glexWriteScript.on(p.key, p.field, f.coded, mode, was)
	}
	args := make([]any, 8, 10)
	args[0], args[1], args[2], args[3] = p.field, s.now().Unix(), s.opts.writeRenews(), s.opts.ttl()
	args[4], args[5], args[6], args[7] = f.coded, f.name, f.literal, mode
	if old != nil {
		args = append(args, old.coded, old.literal)
	}
	return writeScript.on(p.key, args...)
}
