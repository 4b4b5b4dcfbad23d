-- Forgets a history, its entries and its token.
--
-- KEYS 1 history
-- Answers 1 when there were any entries or a token, else 0.
--- @include histories

return redis.call('DEL', KEYS[1])
