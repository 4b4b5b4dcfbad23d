-- Makes a transition of a circuit breaker, if its generation is current, and tells the other processes.
--
-- KEYS 1 breaker
-- ARGV 1 generation 2 phase 3 open for ms 4 trips 5 channel 6 how long it is kept when idle, ms
-- Answers {generation, phase, remaining ms, trips}.
-- Safe to send again: the generation has moved on, and the answer is how the breaker stands.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local v = redis.call('HMGET', KEYS[1], 'g', 'p', 'u', 'n')
local generation, phase, till, trips = v[1] or '0', v[2] or 'closed', v[3] or '0', v[4] or '0'
if generation == ARGV[1] then
  -- Seeded by the clock, so that it keeps growing when the data was lost.
  generation = string.format('%.0f', math.max(generation + 1, now))
  phase, trips = ARGV[2], ARGV[4]
  till = phase == 'open' and string.format('%.0f', now + ARGV[3] * 1000) or '0'
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'g', generation, 'p', phase, 'u', till, 'n', trips)
  -- One that somebody has isolated by hand stays so.
  if phase ~= 'isolated' then
    redis.call('PEXPIRE', KEYS[1], math.max(tonumber(ARGV[6]), 2 * ARGV[3]))
  end
  redis.pcall('PUBLISH', ARGV[5], generation)
end
local remaining = phase == 'open' and math.max(0, math.ceil((till - now) / 1000)) or 0
return { tonumber(generation), phase, remaining, tonumber(trips) }
