#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- The lease, and with it the due time, move to now + TTL; the record stays as it is.
-- KEYS  1 conversation  2 lock  3 due
-- ARGV  1 token  2 TTL in ms  3 conversation id
-- Returns 0 done, 2 lease lost.
local call = redis.call
if call('GET', KEYS[2]) ~= ARGV[1] or call('HEXISTS', KEYS[1], 'version') == 0 then
    return 2
end
local time = call('TIME')
call('ZADD', KEYS[3], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], ARGV[3])
call('PEXPIRE', KEYS[2], ARGV[2])
return 0
