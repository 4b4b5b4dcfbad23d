-- Ends a grant or takes a waiter out of the queue, and calls whoever is next.
--
-- KEYS 1 resource 2 queue 3 waiters
-- ARGV 1 channels' prefix 2 cluster 0|1 3 id 4 how long idle keys are kept, ms
-- Answers 1 when the id held until now, else 0.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local quick = redis.call('HMGET', KEYS[1], 'h:' .. ARGV[3], 'u', 'k')
if quick[3] == '0' or not quick[3] then
  -- Nobody waits: there is nobody to call.
  if not quick[1] then return 0 end
  local expiry, weight = string.match(quick[1], '^(%d+):(%d+):')
  if not expiry then error('HOLDFAST_CORRUPT') end
  redis.call('HDEL', KEYS[1], 'h:' .. ARGV[3])
  redis.call('HSET', KEYS[1], 'u', quick[2] - weight)
  return tonumber(expiry) > now and 1 or 0
end

--- @include grants

local held = 0
if quick[1] then
  local expiry, weight = unpackHolder(quick[1])
  redis.call('HDEL', KEYS[1], 'h:' .. ARGV[3])
  used = used - weight
  held = expiry > now and 1 or 0
else
  forget(ARGV[3])
end
purge()
pump()
save(tonumber(ARGV[4]))
return held
