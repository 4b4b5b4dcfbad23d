-- Reads the outcome of an execution or claims the execution, in one step.
--
-- KEYS 1 record: s state run|done, o owner's id, t token, l lease until, p fingerprint, m meta, b began (ms),
--      v value, c completed at, and of the execution that was taken over lb, lp, lm (began, fingerprint, meta);
--      times are the server's, in microseconds unless said
-- ARGV 1 id 2 lease ms 3 ttl ms 4 fingerprint or empty 5 meta 6 takeover never|rerun|recover
-- Answers {'claimed', token, lost began ms or empty, lost fingerprint, lost meta}, {'running', ms left, meta},
-- {'lapsed', began ms, fingerprint, meta}, {'mismatch'} or {'done', value, age ms, meta}.
-- Safe to send again: the owner's id gets the same claim again.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local v = redis.call('HMGET', KEYS[1], 's', 'o', 't', 'l', 'p', 'm', 'b', 'v', 'c',
  'lb', 'lp', 'lm')
local state, owner, token, lease, fingerprint, meta, began = unpack(v, 1, 7)

if not state and redis.call('EXISTS', KEYS[1]) == 1 then error('HOLDFAST_CORRUPT') end
if state then
  -- Checked first, so that another payload learns nothing of the record.
  if ARGV[4] ~= '' and fingerprint ~= '' and fingerprint ~= ARGV[4] then return { 'mismatch' } end
  if state == 'done' then
    return { 'done', v[8], math.max(0, math.floor((now - v[9]) / 1000)), meta }
  end
  if state ~= 'run' or not tonumber(lease) then error('HOLDFAST_CORRUPT') end
  if owner == ARGV[1] then return { 'claimed', token, v[10] or '', v[11] or '', v[12] or '' } end
  if tonumber(lease) > now then
    return { 'running', math.ceil((lease - now) / 1000), meta }
  end
  if ARGV[6] == 'never' then return { 'lapsed', began, fingerprint, meta } end
end

local recovers = state and ARGV[6] == 'recover'
local fence = string.format('%.0f', math.max((tonumber(token or 0)) + 1, now))
redis.call('HSET', KEYS[1], 's', 'run', 'o', ARGV[1], 't', fence,
  'l', string.format('%.0f', now + ARGV[2] * 1000),
  'p', ARGV[4] ~= '' and ARGV[4] or fingerprint or '',
  'm', recovers and meta or ARGV[5],
  'b', recovers and began or string.format('%.0f', math.floor(now / 1000)))
redis.call('PEXPIRE', KEYS[1], math.max(tonumber(ARGV[2]), tonumber(ARGV[3])))
if not state then return { 'claimed', fence, '', '', '' } end
redis.call('HSET', KEYS[1], 'lb', began, 'lp', fingerprint, 'lm', meta)
return { 'claimed', fence, began, fingerprint, meta }
