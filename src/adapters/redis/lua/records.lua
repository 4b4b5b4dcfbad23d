-- What the scripts on a record share: how an outcome is kept, and how those who wait for one are told.

-- Keeps an outcome in place of the claim and of whatever outcome stood.
local function keep(id, value, ttl, fresh_for, meta)
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  redis.call('HDEL', KEYS[1], 'o', 'l', 'm', 'b', 'w', 'lb', 'lp', 'lm', 'f')
  redis.call('HSET', KEYS[1], 'v', value, 'n', meta, 'k', id, 'c', string.format('%.0f', now),
    'u', string.format('%.0f', now + ttl * 1000))
  if fresh_for ~= '' then
    redis.call('HSET', KEYS[1], 'f', string.format('%.0f', now + fresh_for * 1000))
  end
  redis.call('PEXPIRE', KEYS[1], ttl)
end

local function tell(channel, text)
  -- An ACL may forbid it: then those who wait find out by asking.
  if channel ~= '' then redis.pcall('PUBLISH', channel, text) end
end
