-- Counts outcomes of calls for a circuit breaker, if their generation is current, and answers how it stands.
--
-- KEYS 1 breaker: g generation, p phase, u open until, n trips, b:<start> success:failure:slow for each tenth of the
--      window, by when it begins, so that those of another window grow old as well, r:<reporter> sequence:at; times are the
--      server's, in microseconds
-- ARGV 1 generation 2 window ms 3 success 4 failure 5 slow 6 reporter 7 sequence 8 how long it is kept when idle, ms
-- Answers {generation, phase, remaining ms, trips, success, failure, slow}.
-- Safe to send again: a report's sequence number counts once.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local current = now - now % (ARGV[2] * 100)
local oldest = current - ARGV[2] * 1000

local fields = redis.call('HGETALL', KEYS[1])
local state, buckets = { g = '0', p = 'closed', u = '0', n = '0' }, {}
for i = 1, #fields, 2 do
  local field, value = fields[i], fields[i + 1]
  local bucket = string.match(field, '^b:(%d+)$')
  if bucket then
    -- What lies in the future is of a clock that has stepped back.
    if tonumber(bucket) <= oldest or tonumber(bucket) > now then redis.call('HDEL', KEYS[1], field)
    else buckets[bucket] = value end
  elseif string.sub(field, 1, 2) == 'r:' then
    local at = string.match(value, ':(%d+)$')
    if tonumber(at) < now - ARGV[8] * 1000 then redis.call('HDEL', KEYS[1], field) end
    state[field] = value
  else
    state[field] = value
  end
end

local reporter = 'r:' .. ARGV[6]
local known = tonumber(string.match(state[reporter] or '0:', '^(%d+):'))
local counts = ARGV[3] + ARGV[4] + ARGV[5] > 0
if state.g == ARGV[1] and tonumber(ARGV[7]) > known and counts then
  local bucket = string.format('%.0f', current)
  local success, failure, slow = string.match(buckets[bucket] or '0:0:0', '^(%d+):(%d+):(%d+)$')
  buckets[bucket] = (success + ARGV[3]) .. ':' .. (failure + ARGV[4]) .. ':' .. (slow + ARGV[5])
  redis.call('HSET', KEYS[1], 'b:' .. bucket, buckets[bucket],
    reporter, ARGV[7] .. ':' .. string.format('%.0f', now))
  -- One that somebody has isolated by hand stays so.
  if state.p ~= 'isolated' then redis.call('PEXPIRE', KEYS[1], ARGV[8]) end
end

local success, failure, slow = 0, 0, 0
for _, packed in pairs(buckets) do
  local s, f, l = string.match(packed, '^(%d+):(%d+):(%d+)$')
  success, failure, slow = success + s, failure + f, slow + l
end
local remaining = state.p == 'open' and math.max(0, math.ceil((state.u - now) / 1000)) or 0
return { tonumber(state.g), state.p, remaining, tonumber(state.n), success, failure, slow }
