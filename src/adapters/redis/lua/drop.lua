-- Forgets a claim, so that the next caller executes, leaves an outcome that stands, and tells those who wait.
--
-- KEYS 1 record
-- ARGV 1 id 2 channel or empty 3 text
-- Answers 1 when the claim was the id's, else 0.
local fields = redis.call('HMGET', KEYS[1], 'o', 'u', 'w')
if fields[1] ~= ARGV[1] then return 0 end

--- @include records

local time = redis.call('TIME')
if fields[2] and tonumber(fields[2]) > time[1] * 1000000 + time[2] then
  redis.call('HDEL', KEYS[1], 'o', 'l', 'm', 'b', 'w', 'lb', 'lp', 'lm')
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.ceil(fields[2] / 1000)))
else
  redis.call('DEL', KEYS[1])
end
if fields[3] then tell(ARGV[2], ARGV[3]) end
return 1
