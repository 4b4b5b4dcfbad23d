-- Keeps the outcome of an execution, if its claim is still the id's.
--
-- KEYS 1 record
-- ARGV 1 id 2 value 3 ttl ms 4 meta
-- Answers 1 when it was kept, also when the same commit comes a second time; else 0.
local v = redis.call('HMGET', KEYS[1], 's', 'o')
if v[2] ~= ARGV[1] then return 0 end
if v[1] == 'done' then return 1 end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 's', 'done', 'v', ARGV[2], 'm', ARGV[4],
  'c', string.format('%.0f', time[1] * 1000000 + time[2]))
redis.call('HDEL', KEYS[1], 'l', 'lb', 'lp', 'lm')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
