-- What the scripts on a history share: where it stands, and its entries.
--
-- The history is one hash: t token, a and z the places of the first and the last entry (z < a: there is none), e:<place>
-- the sequence that stands there; of each sequence v:<sequence> its value and m:<sequence> packed as at ms:meta. Places
-- grow as sequences do, so the latest entries are found without sorting.
local state = redis.call('HMGET', KEYS[1], 't', 'a', 'z')
if not state[1] and redis.call('EXISTS', KEYS[1]) == 1 then error('HOLDFAST_CORRUPT') end
local token, first, last = state[1] or '0', tonumber(state[2] or 1), tonumber(state[3] or 0)

local function sequence_at(place)
  local sequence = redis.call('HGET', KEYS[1], string.format('e:%.0f', place))
  if not sequence then error('HOLDFAST_CORRUPT') end
  return sequence
end

-- Answers {sequence, value, at ms, meta}, or nothing.
local function entry(sequence)
  local fields = redis.call('HMGET', KEYS[1], 'v:' .. sequence, 'm:' .. sequence)
  if not fields[1] then return nil end
  local at, meta = string.match(fields[2] or '', '^(%d+):(.*)$')
  if not at then error('HOLDFAST_CORRUPT') end
  return { sequence, fields[1], at, meta }
end

local function latest()
  return last >= first and sequence_at(last) or '-1'
end

local function forget(place)
  local sequence = sequence_at(place)
  redis.call('HDEL', KEYS[1], string.format('e:%.0f', place), 'v:' .. sequence, 'm:' .. sequence)
end

-- Drops all but the latest entries; answers how many.
local function trim(keep)
  local dropped = math.max(0, last - first + 1 - keep)
  for _ = 1, dropped do
    forget(first)
    first = first + 1
  end
  return dropped
end

local function save()
  redis.call('HSET', KEYS[1], 't', token, 'a', string.format('%.0f', first),
    'z', string.format('%.0f', last))
end
