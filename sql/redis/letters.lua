#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Dead letters. Ids grow with time, so their own order is the order of age; all scores are 0.
-- KEYS  1 message_queue:dead  2 message_queue:dead:items  3 the queue that an item goes back to
-- ARGV  1 'list', 'get', 'drop', 'again'  2 id (list: go on behind it; '': from the newest)  3 list: at most so many; again: the item
-- Returns {id, item, ...}.
local call = redis.call
local found = {}
if ARGV[1] == 'list' then
    local ids = call('ZRANGE', KEYS[1], ARGV[2] == '' and '+' or '(' .. ARGV[2], '-', 'BYLEX', 'REV', 'LIMIT', 0, ARGV[3])
    for i = 1, #ids, 1000 do
        local items = call('HMGET', KEYS[2], unpack(ids, i, math.min(i + 999, #ids)))
        for k = 1, #items do
            if items[k] then
                found[#found + 1] = ids[i + k - 1]
                found[#found + 1] = items[k]
            end
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
