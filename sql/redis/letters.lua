#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Dead letters. Ids grow with time, so their own order is the order of age; all scores are 0.
-- KEYS  1 message_queue:dead  2 message_queue:dead:items  3 the queue that an item goes back to
-- ARGV  1 'list', 'get', 'drop', 'again'  2 id (list: go on behind it; '': from the newest)  3 list: at most so many; again: the item
--       4 list: after so many bytes the next letter is the last one, and stands without its item
-- Returns {id, item, ...}.
local call = redis.call
local found = {}
if ARGV[1] == 'list' then
    local ids = call('ZRANGE', KEYS[1], ARGV[2] == '' and '+' or '(' .. ARGV[2], '-', 'BYLEX', 'REV', 'LIMIT', 0, ARGV[3])
    local bytes = 0
    for _, id in ipairs(ids) do
        local full = bytes >= tonumber(ARGV[4])
        local item = full and '' or call('HGET', KEYS[2], id)
        if item then
            found[#found + 1] = id
            found[#found + 1] = item
            bytes = bytes + #item
        end
        if full then
            break
        end
    end
    return found
end
local item = call('HGET', KEYS[2], ARGV[2])
if not item then
    return found
end
if ARGV[1] ~= 'get' then
    call('LLEN', KEYS[3]) -- fails here, not later, when it is no list
    call('ZREM', KEYS[1], ARGV[2])
    call('HDEL', KEYS[2], ARGV[2])
end
if ARGV[1] == 'again' then
    call('RPUSH', KEYS[3], ARGV[3])
end
return {ARGV[2], item}
