-- Prolongs a grant, or claims one that was handed over; never creates one.
--
-- KEYS 1 resource
-- ARGV 1 id 2 ttl ms 3 how long idle keys are kept, ms
-- Answers the token, or false when the id does not hold.
local packed = redis.call('HMGET', KEYS[1], 'h:' .. ARGV[1], 'e', 'x')
if not packed[1] then return false end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local expiry, weight, exclusive, token, meta =
  string.match(packed[1], '^(%d+):(%d+):([01]):(%d+):[01]:[^:]*:(.*)$')
if not expiry then error('HOLDFAST_CORRUPT') end
if tonumber(expiry) <= now then return false end

local renewed = now + ARGV[2] * 1000
local text = string.format('%.0f', renewed)
redis.call('HSET', KEYS[1], 'h:' .. ARGV[1],
  table.concat({ text, weight, exclusive, token, '0', '', meta }, ':'))
if renewed < tonumber(packed[2]) then redis.call('HSET', KEYS[1], 'e', text) end
if packed[3] - now < ARGV[3] * 500 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('HSET', KEYS[1], 'x', string.format('%.0f', now + ARGV[3] * 1000))
end
return token
