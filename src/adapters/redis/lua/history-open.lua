-- Takes a history over: writers with a smaller token are stale from now on.
--
-- KEYS 1 history
-- ARGV 1 token 2 ttl ms
-- Answers {1, latest sequence, value, at ms, meta}, {1} when there is no entry, or {0, token, sequence} when a greater
-- token was there. Safe to send again: the same token opens it again.
--- @include histories

if tonumber(ARGV[1]) < tonumber(token) then return { 0, token, latest() } end
token = ARGV[1]
save()
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if last < first then return { 1 } end
local sequence, value, at, meta = unpack(entry(sequence_at(last)) or error('HOLDFAST_CORRUPT'))
return { 1, sequence, value, at, meta }
