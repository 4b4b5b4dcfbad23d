-- Spends the cost of every rule of a rate limit if all allow it, else of none: the generic cell rate algorithm.
--
-- KEYS one for each rule: its theoretical arrival time, in microseconds of the server
-- ARGV 1 cost (0 only looks), then for each rule: interval in microseconds, burst
-- Answers {1 allowed | 0 not, remaining, retry after ms, reset after ms, … for each rule}.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost = tonumber(ARGV[1])
-- What sums of intervals may be off by: a caller that waited as told must not be a hair too early.
local ROUNDING = 1
local arrivals, waits = {}, {}
local allowed = 1
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local arrival = math.max(tonumber(redis.call('GET', key) or 0), now)
  -- Never further ahead than a full burst, so that a clock that stepped back locks nobody out.
  arrivals[i] = math.min(arrival, now + interval * burst)
  waits[i] = arrivals[i] + interval * cost - now - interval * burst
  if waits[i] > ROUNDING then allowed = 0 end
end

local answer = { allowed }
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local arrival = arrivals[i]
  if allowed == 1 and cost > 0 then
    arrival = arrival + interval * cost
    -- Up to a whole microsecond, so that no fraction is given away; a call takes longer than what that charges too much.
    local charged = math.ceil(arrivals[i]) + math.ceil(interval * cost)
    redis.call('SET', key, string.format('%.0f', charged), 'PX', math.max(1, math.ceil((arrival - now) / 1000)))
  end
  local n = #answer
  answer[n + 1] = math.min(burst, math.max(0, math.floor(burst - (arrival - now - ROUNDING) / interval)))
  answer[n + 2] = allowed == 1 and 0 or math.max(0, math.ceil((waits[i] - ROUNDING) / 1000))
  answer[n + 3] = math.max(0, math.ceil((arrival - now) / 1000))
end
return answer
