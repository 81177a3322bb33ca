#!lua flags=no-writes
-- SPDX-License-Identifier: MIT
-- The number of a conversation's last event, and what the log has behind another number: no more of it than there can be.
-- KEYS  1 conversation  2 events:<id>  3 events_last:<id>
-- ARGV  1 the number ('': only the last one is wanted)
-- Returns {last, events}; some of them may be older than what was asked for. last nil: none so far.
local call = redis.call
local last = call('HGET', KEYS[1], 'events') or call('GET', KEYS[3]) or
    string.match(call('LINDEX', KEYS[2], -1) or '', '^{"seq":(%d+)') -- the record was lost
local newer = last and ARGV[1] ~= '' and last - ARGV[1] or 0
if newer <= 0 then
    return {last, {}}
end
return {last, call('LRANGE', KEYS[2], newer < 1e9 and -newer or 0, -1)}
