-- Reads entries of a history, the latest first; changes nothing.
--
-- KEYS 1 history
-- ARGV 1 a sequence, 'latest' or 'all'
-- Answers {{sequence, value, at ms, meta}…}.
--- @include histories

if ARGV[1] == 'latest' then
  return last >= first and { entry(sequence_at(last)) } or {}
end
if ARGV[1] ~= 'all' then return { entry(ARGV[1]) } end
local entries = {}
for place = last, first, -1 do entries[#entries + 1] = entry(sequence_at(place)) end
return entries
