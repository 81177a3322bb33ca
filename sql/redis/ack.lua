#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Forgets a batch; some of its items become dead letters or go back to the queue's front. A batch that is not known any more was
-- acknowledged before, or given back: then nothing is done, since nothing may come twice.
-- KEYS  1 the batch  2 <queue>:batches  3 the queue  4 message_queue:dead  5 message_queue:dead:items
-- ARGV  1 name of the batch  2 how many are dead  3 how many come again, then id and item of each letter, then the items
-- Returns 0.
local call = redis.call
if not call('ZSCORE', KEYS[2], ARGV[1]) then
    return 0
end
call('LLEN', KEYS[3]) -- these fail here, not later, when one is of another type
call('ZCARD', KEYS[4])
call('HLEN', KEYS[5])
local letters = 3 + 2 * ARGV[2]
for i = 4, letters, 2 do
    call('ZADD', KEYS[4], 0, ARGV[i])
    call('HSET', KEYS[5], ARGV[i], ARGV[i + 1])
end
for i = letters + ARGV[3], letters + 1, -1 do
    call('LPUSH', KEYS[3], ARGV[i])
end
call('DEL', KEYS[1])
call('ZREM', KEYS[2], ARGV[1])
return 0
