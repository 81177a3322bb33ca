#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Moves items from the queue's front into a batch of its own. Taking must be possible without memory to spare: it is what makes room.
-- KEYS  1 the queue  2 the batch  3 <queue>:batches (name of each batch: how many items)
-- ARGV  1 at most so many  2 name of the batch
-- Returns {left in the queue, items}.
local call = redis.call
local length = call('LLEN', KEYS[1])
local n = math.min(length, tonumber(ARGV[1]))
if n == 0 then
    return {length, {}}
end
if call('EXISTS', KEYS[2]) == 1 then
    return redis.error_reply('ERR there is such a batch')
end
call('ZADD', KEYS[3], n, ARGV[2])
local items = call('LPOP', KEYS[1], n)
for i = 1, n, 1000 do
    call('RPUSH', KEYS[2], unpack(items, i, math.min(i + 999, n)))
end
return {length - n, items}
