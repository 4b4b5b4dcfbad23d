-- Keeps an outcome whoever executes, ends every claim, and tells of it.
--
-- KEYS 1 record
-- ARGV 1 value 2 ttl ms 3 fresh for ms or empty 4 meta 5 channel or empty 6 text
-- Answers nothing. Safe to send again: the same outcome is kept again.
local fields = redis.call('HMGET', KEYS[1], 'o', 'v')
if not fields[1] and not fields[2] and redis.call('EXISTS', KEYS[1]) == 1 then
  error('HOLDFAST_CORRUPT')
end

--- @include records

-- No claim has the empty id.
keep('', ARGV[1], ARGV[2], ARGV[3], ARGV[4])
redis.call('HDEL', KEYS[1], 'p')
tell(ARGV[5], ARGV[6])
