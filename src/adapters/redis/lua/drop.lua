-- Forgets a claim, so that the next caller executes.
--
-- KEYS 1 record
-- ARGV 1 id
-- Answers 1 when the claim was the id's, else 0.
local v = redis.call('HMGET', KEYS[1], 's', 'o')
if v[1] ~= 'run' or v[2] ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
