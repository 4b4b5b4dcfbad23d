-- Drops all but the latest entries of a history.
--
-- KEYS 1 history
-- ARGV 1 how many are kept
-- Answers how many were dropped. Safe to send again: there are no more to drop.
--- @include histories

local dropped = trim(tonumber(ARGV[1]))
if dropped > 0 then save() end
return dropped
