-- What the scripts on a resource share: its state, who is next, and how a share is held.
--
-- The resource is one hash: u used, e earliest expiry (a lower bound), f fence, k waiters, n arrivals,
-- l last holder, x when the key expires, and h:<id> a holder packed as
-- expiry:weight:exclusive:token:unclaimed:inbox:meta. The queue is a sorted set of ids by arrival. The hash of
-- waiters has <id> packed as weight:exclusive:capacity:inbox:meta, and i:<inbox> packed as alive-until:listening.
-- Times are the server's, in microseconds. Expects `now`, and in ARGV 1 the channels' prefix, 2 whether a cluster.
local CLAIM, CLAIM_POLLED, ALIVE = 1000000, 2500000, 3000000
local PUMP_STEPS, LOOKED_AT = 100, 8

local function int(number)
  return string.format('%.0f', number)
end

local state = redis.call('HMGET', KEYS[1], 'u', 'e', 'f', 'x')
local used, earliest = tonumber(state[1] or 0), tonumber(state[2] or 0)
local fence, expires = tonumber(state[3] or 0), tonumber(state[4] or 0)
if not state[1] and redis.call('EXISTS', KEYS[1]) == 1 then error('HOLDFAST_CORRUPT') end
if not (used and earliest and fence and expires) then error('HOLDFAST_CORRUPT') end
local last

local function unpackHolder(packed)
  local expiry, weight, exclusive, token, unclaimed, inbox, meta =
    string.match(packed, '^(%d+):(%d+):([01]):(%d+):([01]):([^:]*):(.*)$')
  if not expiry then error('HOLDFAST_CORRUPT') end
  return tonumber(expiry), tonumber(weight), exclusive, token, unclaimed, inbox, meta
end

local function hold(id, weight, exclusive, inbox, meta, ttl, unclaimed)
  -- Seeded by the clock, so that it keeps growing when the data was lost; readers of one phase share one token.
  if exclusive == '1' then fence = math.max(fence + 1, now) elseif fence == 0 then fence = now end
  local expiry = now + ttl
  redis.call('HSET', KEYS[1], 'h:' .. id,
    table.concat({ int(expiry), weight, exclusive, int(fence), unclaimed, inbox, meta }, ':'))
  earliest = used == 0 and expiry or math.min(earliest, expiry)
  used = used + weight
  last = id
  return int(fence)
end

local function purge()
  if used == 0 or now < earliest then return end
  used, earliest = 0, math.huge
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'h:' then
      local expiry, weight, _, _, unclaimed, inbox = unpackHolder(all[i + 1])
      if expiry > now then
        used, earliest = used + weight, math.min(earliest, expiry)
      else
        redis.call('HDEL', KEYS[1], all[i])
        -- Called and never came: its process is dead, and so are its other waiters.
        if unclaimed == '1' then redis.call('HDEL', KEYS[3], 'i:' .. inbox) end
      end
    end
  end
end

local function forget(id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
end

-- Calls a waiter; answers how long it may take to claim, or nothing when its process is gone.
local function call(inbox, listening, id)
  if listening == '0' then return CLAIM_POLLED end
  local heard = redis.pcall('PUBLISH', ARGV[1] .. inbox, id)
  -- An ACL may forbid it: then the waiter finds out by its beat.
  if type(heard) ~= 'number' then return CLAIM_POLLED end
  -- In a cluster the number counts the listeners of one node only, and says nothing.
  if heard == 0 and ARGV[2] == '0' then return nil end
  return CLAIM
end

local function pump()
  for _ = 1, PUMP_STEPS do
    local id = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
    if not id then return end
    local packed = redis.call('HGET', KEYS[3], id)
    local weight, exclusive, capacity, inbox, meta =
      string.match(packed or '', '^(%d+):([01]):(%d+):([^:]*):(.*)$')
    local alive = inbox and redis.call('HGET', KEYS[3], 'i:' .. inbox)
    local till, listening = string.match(alive or '', '^(%d+):([01])$')
    if not till or tonumber(till) <= now then
      forget(id)
    elseif used + weight > tonumber(capacity) then
      return
    else
      local claim = call(inbox, listening, id)
      if claim then
        forget(id)
        hold(id, tonumber(weight), exclusive, inbox, meta, claim, '1')
      else
        redis.call('HDEL', KEYS[3], 'i:' .. inbox)
      end
    end
  end
end

local function hear(inbox, listening, keep)
  local fresh = redis.call('HSET', KEYS[3], 'i:' .. inbox, int(now + ALIVE) .. ':' .. listening)
  -- Where somebody always waits, each process that comes lets go of some that are gone: else they would pile up.
  if fresh == 1 then
    local some = redis.call('HRANDFIELD', KEYS[3], LOOKED_AT, 'WITHVALUES')
    for i = 1, #some, 2 do
      local till = string.match(some[i + 1], '^(%d+):[01]$')
      if till and tonumber(till) <= now then redis.call('HDEL', KEYS[3], some[i]) end
    end
  end
  redis.call('PEXPIRE', KEYS[3], keep)
  redis.call('PEXPIRE', KEYS[2], keep)
end

local function hint()
  return used == 0 and 0 or math.max(0, math.ceil((earliest - now) / 1000))
end

-- Writes the state back; answers how many wait.
local function save(keep)
  local waiters = redis.call('ZCARD', KEYS[2])
  redis.call('HSET', KEYS[1], 'u', used, 'k', waiters, 'f', int(fence),
    'e', used == 0 and '0' or int(earliest))
  if last then redis.call('HSET', KEYS[1], 'l', last) end
  -- Whoever waits next says anew that its process lives.
  if waiters == 0 then redis.call('DEL', KEYS[3]) end
  if expires - now < keep * 500 then
    redis.call('PEXPIRE', KEYS[1], keep)
    redis.call('HSET', KEYS[1], 'x', int(now + keep * 1000))
  end
  return waiters
end
