#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Forgets a batch; some of its items go to the dead letters or back to the queue's end. A batch that is not known any more was
-- acknowledged before, or given back: then nothing is done, since nothing may come twice.
-- KEYS  1 the batch  2 message_queue:batches  3 message_queue  4 message_queue:dead
-- ARGV  1 name of the batch  2 how many are dead  3 how many come again, then the items in this order
-- Returns 0.
local call = redis.call
if not call('ZSCORE', KEYS[2], ARGV[1]) then
    return 0
end
call('LLEN', KEYS[3]) -- fails here, not later, when it is no list
call('LLEN', KEYS[4])
local dead, again = 3 + ARGV[2], 3 + ARGV[2] + ARGV[3]
for i = 4, dead, 1000 do
    call('RPUSH', KEYS[4], unpack(ARGV, i, math.min(i + 999, dead)))
end
for i = dead + 1, again, 1000 do
    call('RPUSH', KEYS[3], unpack(ARGV, i, math.min(i + 999, again)))
end
call('DEL', KEYS[1])
call('ZREM', KEYS[2], ARGV[1])
return 0
