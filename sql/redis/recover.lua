#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Gives a batch back to the queue's front, in its order.
-- KEYS  1 the batch  2 <queue>:batches  3 the queue
-- ARGV  1 name of the batch
-- Returns 0.
local call = redis.call
call('LLEN', KEYS[3])
if call('ZREM', KEYS[2], ARGV[1]) == 0 then
    return 0
end
local items = call('RPOP', KEYS[1], 1000)
while items do
    call('LPUSH', KEYS[3], unpack(items))
    items = call('RPOP', KEYS[1], 1000)
end
return 0
