-- Reads the outcome of an execution or claims the execution, in one step.
--
-- KEYS 1 record: a claim, an outcome, or an outcome that a claim is about to replace; p fingerprint, t last token, and
--      of the claim o owner's id, l lease until, m meta, b began (ms), w there when somebody waits for its end, lb, lp,
--      lm of the execution that it took over (began, fingerprint, meta);
--      of the outcome v value, n meta, c completed at, f fresh until (absent: for ever), u kept until, k id of the claim
--      that kept it; times are the server's, in microseconds unless said
-- ARGV 1 id 2 lease ms 3 ttl ms 4 fingerprint or empty 5 meta 6 takeover never|rerun|recover 7 waits 0|1
-- Answers {'claimed', token, lost began ms or empty, lost fingerprint, lost meta, stale…}, {'running', ms left, meta,
-- stale…}, {'lapsed', began ms, fingerprint, meta}, {'mismatch'} or {'done', outcome…}; an outcome, and a stale one if
-- there is one, is value, age ms, meta.
-- Safe to send again: the owner's id gets the same claim again.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local quick = redis.call('HMGET', KEYS[1], 'v', 'n', 'c', 'f', 'u', 'o', 'p')
-- Nobody has a claim, and the outcome is fresh and of this payload: what a cache reads most often costs two commands.
if quick[1] and not quick[6] and tonumber(quick[5]) > now and (not quick[4] or tonumber(quick[4]) > now)
  and (ARGV[4] == '' or not quick[7] or quick[7] == '' or quick[7] == ARGV[4]) then
  return { 'done', quick[1], math.max(0, math.floor((now - quick[3]) / 1000)), quick[2] }
end

local fields = redis.call('HMGET', KEYS[1], 'o', 't', 'l', 'm', 'b', 'p', 'v', 'n', 'c', 'f', 'u',
  'w', 'lb', 'lp', 'lm')
local owner, token, lease, meta, began, fingerprint = unpack(fields, 1, 6)
local value, kept_meta, kept_at, fresh, till = unpack(fields, 7, 11)
local waited, lost_began, lost_fingerprint, lost_meta = unpack(fields, 12, 15)

if not owner and not value and redis.call('EXISTS', KEYS[1]) == 1 then error('HOLDFAST_CORRUPT') end
if owner and not tonumber(lease) then error('HOLDFAST_CORRUPT') end
-- Checked first, so that another payload learns nothing of the record.
if ARGV[4] ~= '' and fingerprint and fingerprint ~= '' and fingerprint ~= ARGV[4] then
  return { 'mismatch' }
end
-- A claim may make the record last longer than its outcome.
if value and tonumber(till) <= now then value = nil end

local function with_outcome(reply)
  if not value then return reply end
  local n = #reply
  reply[n + 1] = value
  reply[n + 2] = math.max(0, math.floor((now - kept_at) / 1000))
  reply[n + 3] = kept_meta
  return reply
end

if owner == ARGV[1] then
  return with_outcome({ 'claimed', token, lost_began or '', lost_fingerprint or '', lost_meta or '' })
end
if value and (not fresh or now < tonumber(fresh)) then return with_outcome({ 'done' }) end
if owner and tonumber(lease) > now then
  if ARGV[7] == '1' and not waited then redis.call('HSET', KEYS[1], 'w', '1') end
  return with_outcome({ 'running', math.ceil((lease - now) / 1000), meta })
end
-- An outcome that stands is known, whatever became of the execution that was to replace it.
local lost = owner and not value
if lost and ARGV[6] == 'never' then return { 'lapsed', began, fingerprint, meta } end

local recovers = lost and ARGV[6] == 'recover'
local fence = string.format('%.0f', math.max((tonumber(token or 0)) + 1, now))
if owner then redis.call('HDEL', KEYS[1], 'w', 'lb', 'lp', 'lm') end
redis.call('HSET', KEYS[1], 'o', ARGV[1], 't', fence,
  'l', string.format('%.0f', now + ARGV[2] * 1000),
  'p', ARGV[4] ~= '' and ARGV[4] or fingerprint or '',
  'm', recovers and meta or ARGV[5],
  'b', recovers and began or string.format('%.0f', math.floor(now / 1000)))
if not value then
  redis.call('PEXPIRE', KEYS[1], math.max(tonumber(ARGV[2]), tonumber(ARGV[3])))
elseif redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
if not lost then return with_outcome({ 'claimed', fence, '', '', '' }) end
redis.call('HSET', KEYS[1], 'lb', began, 'lp', fingerprint, 'lm', meta)
return { 'claimed', fence, began, fingerprint, meta }
