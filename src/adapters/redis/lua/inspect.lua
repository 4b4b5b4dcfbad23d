-- Who holds a resource and who waits for it, in order; changes nothing.
--
-- KEYS 1 resource 2 queue 3 waiters
-- Answers {{id, weight, exclusive, remaining ms, token, meta}…}, {{id, weight, exclusive, meta}…}}.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local holders, waiters = {}, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 'h:' then
    local expiry, weight, exclusive, token, meta =
      string.match(all[i + 1], '^(%d+):(%d+):([01]):(%d+):[01]:[^:]*:(.*)$')
    if not expiry then error('HOLDFAST_CORRUPT') end
    local remaining = math.ceil((tonumber(expiry) - now) / 1000)
    if remaining > 0 then
      holders[#holders + 1] =
        { string.sub(all[i], 3), tonumber(weight), exclusive, remaining, token, meta }
    end
  end
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local weight, exclusive, meta =
    string.match(redis.call('HGET', KEYS[3], id) or '', '^(%d+):([01]):%d+:[^:]*:(.*)$')
  if weight then waiters[#waiters + 1] = { id, tonumber(weight), exclusive, meta } end
end
return { holders, waiters }
