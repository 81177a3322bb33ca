#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Forgets a conversation, unless somebody has written to it. Dedupe marks and jobs stay until their time is over. Version '0': the record
-- is lost, and what it left behind goes; messages that are pending never do.
-- KEYS  1 conversation  2 lock  3 due  4 activity  5 active  6 waiting  7 paused  8 pending  9 context
-- ARGV  1 expected version  2 conversation id  3 channel of the event ('': none)  4 the event
-- Returns 0 done, 1 conflict.
local call = redis.call
if (call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] or ARGV[1] == '0' and call('EXISTS', KEYS[8]) == 1 then
    return 1
end
for i = 3, 7 do
    call('ZCARD', KEYS[i]) -- fails here, before anything is written, when it is no sorted set
end
for i = 3, 7 do
    call('ZREM', KEYS[i], ARGV[2])
end
call('DEL', KEYS[1], KEYS[2], KEYS[8], KEYS[9])
if ARGV[3] ~= '' then
    call('PUBLISH', ARGV[3], ARGV[4])
end
return 0
