#!lua flags=no-writes
-- SPDX-License-Identifier: MIT
-- Numbers for listings and statistics; none costs more when there are more conversations.
-- KEYS  1 activity  2 active  3 waiting  4 paused  5 due  6 message_queue  7 message_queue:batches  8 message_queue:dead
-- Returns {TIME, five sizes, queue, items in batches, dead letters, active in the last hour, in the last day, the queue's first item,
-- names of the batches, INFO or an error}.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local batches = call('ZRANGE', KEYS[7], 0, -1, 'WITHSCORES')
local taken, names = 0, {}
for i = 2, #batches, 2 do
    taken = taken + batches[i]
    names[i / 2] = batches[i - 1]
end
return {
    time, call('ZCARD', KEYS[1]), call('ZCARD', KEYS[2]), call('ZCARD', KEYS[3]), call('ZCARD', KEYS[4]), call('ZCARD', KEYS[5]),
    call('LLEN', KEYS[6]), taken, call('ZCARD', KEYS[8]), call('ZCOUNT', KEYS[1], '(' .. (now - 3600000), '+inf'),
    call('ZCOUNT', KEYS[1], '(' .. (now - 86400000), '+inf'), call('LINDEX', KEYS[6], 0), names, redis.pcall('INFO')
}
