#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Moves items from the queue's front into a batch of its own. Taking must be possible without memory to spare: it is what makes room. A batch
-- is small enough to be answered in time whatever its items are; one that is larger than any item may be leaves only its beginning there.
-- KEYS  1 the queue  2 the batch  3 <queue>:batches (name of each batch: how many items)
-- ARGV  1 at most so many  2 name of the batch  3 none more once so many bytes are taken  4 an item has at most so many
-- Returns {left in the queue, items}.
local call = redis.call
local length = call('LLEN', KEYS[1])
local most, enough, largest = math.min(length, tonumber(ARGV[1])), tonumber(ARGV[3]), tonumber(ARGV[4])
if most == 0 then
    return {length, {}}
end
if call('EXISTS', KEYS[2]) == 1 then
    return redis.error_reply('ERR there is such a batch')
end
call('ZCARD', KEYS[3]) -- fails here, not later, when it is of another type
local items, n, bytes = {}, 0, 0
while n < most and bytes < enough do
    local item = call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
    bytes = bytes + #item
    if #item > largest then
        item = 'too large: ' .. #item .. ' bytes, begins with ' .. string.gsub(string.sub(item, 1, 1000), '[^ -~]', '?')
        call('LSET', KEYS[2], -1, item)
    end
    n = n + 1
    items[n] = item
end
call('ZADD', KEYS[3], n, ARGV[2])
return {length - n, items}
