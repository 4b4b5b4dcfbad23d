-- Forgets the outcome of a record, ends every claim on it, and tells of it.
--
-- KEYS 1 record
-- ARGV 1 channel or empty 2 text
-- Answers 1 when there was either, else 0. Safe to send again: what is forgotten stays forgotten.
local fields = redis.call('HMGET', KEYS[1], 'o', 'v')
local existed = redis.call('EXISTS', KEYS[1])
if existed == 1 and not fields[1] and not fields[2] then error('HOLDFAST_CORRUPT') end

--- @include records

redis.call('DEL', KEYS[1])
tell(ARGV[1], ARGV[2])
return existed
