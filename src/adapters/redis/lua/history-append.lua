-- Writes an entry unless it comes too late.
--
-- KEYS 1 history
-- ARGV 1 token 2 sequence 3 value 4 meta 5 how many entries are kept 6 ttl ms
-- Answers {1}, or {0, token, sequence} when a greater token, or the same one further on, was there.
-- Safe to send again: the same token and sequence replaces the entry.
--- @include histories

local ours, theirs = tonumber(ARGV[1]), tonumber(token)
local sequence = tonumber(ARGV[2])
if ours < theirs or (ours == theirs and sequence < tonumber(latest())) then
  return { 0, token, latest() }
end
token = ARGV[1]
-- What a smaller token has left further on, or the entry that this one replaces.
while last >= first and tonumber(sequence_at(last)) >= sequence do
  forget(last)
  last = last - 1
end
local time = redis.call('TIME')
local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
last = last + 1
redis.call('HSET', KEYS[1], string.format('e:%.0f', last), ARGV[2], 'v:' .. ARGV[2], ARGV[3],
  'm:' .. ARGV[2], at .. ':' .. ARGV[4])
trim(tonumber(ARGV[5]))
save()
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return { 1 }
