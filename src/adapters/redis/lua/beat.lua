-- Keeps the waiters of one process alive and answers what became of them.
--
-- KEYS 1 resource 2 queue 3 waiters
-- ARGV 1 channels' prefix 2 cluster 0|1 3 inbox 4 listening 0|1 5 how long idle keys are kept, ms 6… ids
-- Answers {hint ms, {granted and unclaimed ids}, {unknown ids}}.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

--- @include grants

local keep = tonumber(ARGV[5])
hear(ARGV[3], ARGV[4], keep)
purge()
pump()
save(keep)
local granted, unknown = {}, {}
for i = 6, #ARGV do
  local held = redis.call('HGET', KEYS[1], 'h:' .. ARGV[i])
  if held then
    local _, _, _, _, unclaimed = unpackHolder(held)
    if unclaimed == '1' then granted[#granted + 1] = ARGV[i] end
  elseif not redis.call('ZSCORE', KEYS[2], ARGV[i]) then
    unknown[#unknown + 1] = ARGV[i]
  end
end
return { hint(), granted, unknown }
