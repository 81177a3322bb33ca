#!lua flags=no-writes
-- SPDX-License-Identifier: MIT
-- Numbers for listings and statistics; none costs more when there are more conversations.
-- KEYS  1 activity  2 active  3 waiting  4 paused  5 due  6 message_queue  7 message_queue:batches  8 message_queue:dead
-- Returns {five sizes, queue, items in batches, dead letters, INFO or an error}.
local call = redis.call
local batches = call('ZRANGE', KEYS[7], 0, -1, 'WITHSCORES')
local taken = 0
for i = 2, #batches, 2 do
    taken = taken + batches[i]
end
return {
    call('ZCARD', KEYS[1]), call('ZCARD', KEYS[2]), call('ZCARD', KEYS[3]), call('ZCARD', KEYS[4]), call('ZCARD', KEYS[5]),
    call('LLEN', KEYS[6]), taken, call('LLEN', KEYS[8]), redis.pcall('INFO')
}
