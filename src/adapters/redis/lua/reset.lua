-- Forgets what was spent of a rate limit.
--
-- KEYS one for each rule
return redis.call('DEL', unpack(KEYS))
