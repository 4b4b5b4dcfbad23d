-- Prolongs a claim; never creates one. A lease of 0 lets it lapse now.
--
-- KEYS 1 record
-- ARGV 1 id 2 lease ms 3 other meta, if any
-- Answers 1 when the claim is still the id's, else 0.
if redis.call('HGET', KEYS[1], 'o') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'l',
  string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[2] * 1000))
if ARGV[3] then redis.call('HSET', KEYS[1], 'm', ARGV[3]) end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
