#!lua flags=no-writes
-- SPDX-License-Identifier: MIT
-- Numbers for listings and statistics; none costs more when there are more conversations.
-- KEYS  1 activity  2 active  3 waiting  4 paused  5 due  6 message_queue  7 message_queue:batches  8 message_queue:dead
--       9 callback_queue  10 callback_queue:batches  11 sessions
-- Returns {TIME, five sizes, message_queue, items in its batches, dead letters, active in the last hour, in the last day, the first item
-- of message_queue, names of its batches, callback_queue, items in its batches, cached sessions, INFO or an error}.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function batches(key)
    local all, taken, names = call('ZRANGE', key, 0, -1, 'WITHSCORES'), 0, {}
    for i = 2, #all, 2 do
        taken = taken + all[i]
        names[i / 2] = all[i - 1]
    end
    return taken, names
end
local taken, names = batches(KEYS[7])
return {
    time, call('ZCARD', KEYS[1]), call('ZCARD', KEYS[2]), call('ZCARD', KEYS[3]), call('ZCARD', KEYS[4]), call('ZCARD', KEYS[5]),
    call('LLEN', KEYS[6]), taken, call('ZCARD', KEYS[8]), call('ZCOUNT', KEYS[1], '(' .. (now - 3600000), '+inf'),
    call('ZCOUNT', KEYS[1], '(' .. (now - 86400000), '+inf'), call('LINDEX', KEYS[6], 0), names,
    call('LLEN', KEYS[9]), (batches(KEYS[10])), call('ZCOUNT', KEYS[11], '(' .. now, '+inf'), redis.pcall('INFO')
}
