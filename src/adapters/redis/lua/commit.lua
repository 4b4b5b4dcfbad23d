-- Keeps the outcome of an execution, if its claim is still the id's, and tells those who wait for it.
--
-- KEYS 1 record
-- ARGV 1 id 2 value 3 ttl ms 4 fresh for ms or empty 5 meta 6 channel or empty 7 text
-- Answers 1 when it was kept, also when the same commit comes a second time; else 0.
local fields = redis.call('HMGET', KEYS[1], 'o', 'k', 'w')
if fields[1] ~= ARGV[1] then return fields[2] == ARGV[1] and 1 or 0 end

--- @include records

keep(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
if fields[3] then tell(ARGV[6], ARGV[7]) end
return 1
