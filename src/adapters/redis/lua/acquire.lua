-- Grants a share, queues the request or answers busy, first come, first served.
--
-- KEYS 1 resource 2 queue 3 waiters
-- ARGV 1 channels' prefix 2 cluster 0|1 3 id 4 ttl ms 5 weight 6 capacity 7 exclusive 0|1 8 wait 0|1 9 inbox
--      10 listening 0|1 11 meta 12 arrival or empty 13 how long idle keys are kept, ms
-- Answers {1, token} granted, {2, hint ms, waiters, arrival, holder's meta} queued, {0, …} busy.
-- Safe to send again: an id that holds gets its own token again, one that waits keeps its place.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ttl = ARGV[4] * 1000
local quick = redis.call('HMGET', KEYS[1], 'k', 'u', 'e', 'f', 'x', 'h:' .. ARGV[3])
-- Nobody waits, there is room, nothing has lapsed, the attempt is new, and the key outlives the grant: three commands in all.
if quick[1] == '0' and not quick[6] and quick[2] + ARGV[5] <= tonumber(ARGV[6])
  and (quick[2] == '0' or tonumber(quick[3]) > now) and quick[5] - now > ARGV[13] * 500 then
  local alone, fence = quick[2] == '0', tonumber(quick[4])
  if ARGV[7] == '1' then fence = math.max(fence + 1, now) elseif fence == 0 then fence = now end
  local token, expiry = string.format('%.0f', fence), string.format('%.0f', now + ttl)
  redis.call('HSET', KEYS[1], 'u', alone and ARGV[5] or quick[2] + ARGV[5], 'f', token, 'l', ARGV[3],
    'e', (alone or tonumber(quick[3]) > now + ttl) and expiry or quick[3],
    'h:' .. ARGV[3], expiry .. ':' .. ARGV[5] .. ':' .. ARGV[7] .. ':' .. token .. ':0::' .. ARGV[11])
  return { 1, token }
end

--- @include grants

local id, weight, exclusive, inbox, meta = ARGV[3], tonumber(ARGV[5]), ARGV[7], ARGV[9], ARGV[11]
local keep = tonumber(ARGV[13])
purge()
pump()

local held = redis.call('HGET', KEYS[1], 'h:' .. id)
if held then
  local _, held_weight, held_exclusive, token, _, _, held_meta = unpackHolder(held)
  local expiry = now + ttl
  redis.call('HSET', KEYS[1], 'h:' .. id,
    table.concat({ int(expiry), held_weight, held_exclusive, token, '0', '', held_meta }, ':'))
  earliest = math.min(earliest, expiry)
  save(keep)
  return { 1, token }
end

local arrival = redis.call('ZSCORE', KEYS[2], id)
if not arrival then
  if redis.call('ZCARD', KEYS[2]) == 0 and used + weight <= tonumber(ARGV[6]) then
    local token = hold(id, weight, exclusive, '', meta, ttl, '0')
    save(keep)
    return { 1, token }
  end
  if ARGV[8] == '1' then
    if ARGV[12] == '' then
      arrival = redis.call('HINCRBY', KEYS[1], 'n', 1)
    else
      arrival = ARGV[12]
      -- Whoever comes next draws a later number, also when the data was lost.
      local drawn = tonumber(redis.call('HGET', KEYS[1], 'n') or 0)
      if drawn < tonumber(arrival) then redis.call('HSET', KEYS[1], 'n', arrival) end
    end
    redis.call('ZADD', KEYS[2], arrival, id)
    redis.call('HSET', KEYS[3], id,
      table.concat({ weight, exclusive, ARGV[6], inbox, meta }, ':'))
  end
end
if ARGV[8] == '1' then hear(inbox, ARGV[10], keep) end

-- One of the holders, for the waiter to name: the last one, or any of those that are left.
local function holderMeta()
  local name = redis.call('HGET', KEYS[1], 'l')
  local packed = name and redis.call('HGET', KEYS[1], 'h:' .. name)
  if not packed and used > 0 then
    for _, field in ipairs(redis.call('HRANDFIELD', KEYS[1], 16)) do
      if string.sub(field, 1, 2) == 'h:' then packed = redis.call('HGET', KEYS[1], field) end
    end
  end
  if not packed then return '' end
  local _, _, _, _, _, _, held_meta = unpackHolder(packed)
  return held_meta
end

local waiters = save(keep)
return { arrival and 2 or 0, hint(), waiters, tostring(arrival or ''), holderMeta() }
